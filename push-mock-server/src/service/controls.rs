//! What tests tell the connections of browsers to do instead of the usual.

use std::time::Duration;

use super::subscription::AgentKind;
use crate::ids::UserAgentId;

/// Most controls that wait in a space; our choice.
pub const MOST_CONTROLS: usize = 1000;

/// What a browser asks for, and what a control can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// Chromium's check-in.
    CheckIn,
    /// Firefox's hello, Chromium's login.
    Hello,
    /// A subscription is asked for.
    Register,
    /// A subscription is given up.
    Unregister,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CheckIn, Self::Hello, Self::Register, Self::Unregister];

    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckIn => "checkin",
            Self::Hello => "hello",
            Self::Register => "register",
            Self::Unregister => "unregister",
        }
    }
}

/// What is done to a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyControl {
    /// It comes later by that much wall time.
    Delay(Duration),
    /// It does not come.
    Omit,
    /// It has this status.
    Status(u16),
    /// It names this error: `Error=…` of a registration, the message of a login error.
    Error(String),
}

/// What a browser's connection is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// It is closed with this code.
    Close(u16),
    /// It is reset.
    Reset,
    /// It ends without a word.
    Fin,
    /// Firefox gets another uaid at its next hello, so that its subscriptions end.
    NewUaid,
    /// The next replies to what a browser asks for.
    Reply {
        /// To what.
        of: Moment,
        /// What is done.
        then: ReplyControl,
        /// How often.
        times: u32,
    },
    /// This message is sent once more, whether it was acknowledged or not.
    Resend(String),
}

/// Whose replies are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Agent(UserAgentId),
    /// Whichever comes next.
    Any(AgentKind),
}

/// The controls of a space that wait for their moment.
#[derive(Debug, Default)]
pub(super) struct Controls {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    target: Target,
    of: Moment,
    then: ReplyControl,
    left: u32,
}

impl Controls {
    /// False: there are too many.
    pub(super) fn add(&mut self, target: Target, of: Moment, then: ReplyControl, times: u32) -> bool {
        if self.waiting.len() >= MOST_CONTROLS {
            return false;
        }
        if times > 0 {
            self.waiting.push(Waiting { target, of, then, left: times });
        }
        true
    }

    /// What is to be done to this reply; counted.
    #[cfg(feature = "browsers")]
    pub(super) fn take(&mut self, kind: AgentKind, agent: Option<UserAgentId>, moment: Moment) -> Effects {
        let mut effects = Effects::default();
        for waiting in &mut self.waiting {
            let meant = match waiting.target {
                Target::Agent(id) => agent == Some(id),
                Target::Any(any) => any == kind,
            };
            if !meant || waiting.of != moment || !effects.put(&waiting.then) {
                continue;
            }
            waiting.left -= 1;
        }
        self.waiting.retain(|waiting| waiting.left > 0);
        effects
    }
}

/// What is done to one reply; by default nothing.
#[cfg(feature = "browsers")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    pub(crate) delay: Option<Duration>,
    pub(crate) omit: bool,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

#[cfg(feature = "browsers")]
impl Effects {
    /// False: something of that kind is done already.
    fn put(&mut self, then: &ReplyControl) -> bool {
        match then {
            ReplyControl::Delay(by) if self.delay.is_none() => self.delay = Some(*by),
            ReplyControl::Omit if !self.omit => self.omit = true,
            ReplyControl::Status(status) if self.status.is_none() => self.status = Some(*status),
            ReplyControl::Error(error) if self.error.is_none() => self.error = Some(error.clone()),
            _ => return false,
        }
        true
    }
}

#[cfg(all(test, feature = "browsers"))]
mod tests {
    use super::*;

    const ALICE: UserAgentId = UserAgentId(1);
    const BOB: UserAgentId = UserAgentId(2);

    #[test]
    fn a_control_acts_as_often_as_it_says_on_whom_it_names() {
        let mut controls = Controls::default();
        controls.add(Target::Agent(ALICE), Moment::Register, ReplyControl::Status(500), 2);

        let mut take = |agent, moment| controls.take(AgentKind::Firefox, agent, moment).status;

        assert_eq!(take(Some(BOB), Moment::Register), None);
        assert_eq!(take(None, Moment::Register), None);
        assert_eq!(take(Some(ALICE), Moment::Hello), None);
        assert_eq!(take(Some(ALICE), Moment::Register), Some(500));
        assert_eq!(take(Some(ALICE), Moment::Register), Some(500));
        assert_eq!(take(Some(ALICE), Moment::Register), None);
    }

    #[test]
    fn a_kind_names_whichever_comes_next() {
        let mut controls = Controls::default();
        controls.add(Target::Any(AgentKind::Chromium), Moment::CheckIn, ReplyControl::Status(503), 1);

        let mut take = |kind| controls.take(kind, None, Moment::CheckIn).status;

        assert_eq!(take(AgentKind::Firefox), None);
        assert_eq!(take(AgentKind::Chromium), Some(503));
        assert_eq!(take(AgentKind::Chromium), None);
    }

    #[test]
    fn controls_of_several_kinds_act_together_and_of_one_kind_in_turn() {
        let mut controls = Controls::default();
        let any = Target::Any(AgentKind::Firefox);
        for then in [ReplyControl::Omit, ReplyControl::Status(409), ReplyControl::Status(500)] {
            controls.add(any, Moment::Register, then, 1);
        }

        let mut take = || controls.take(AgentKind::Firefox, None, Moment::Register);

        assert_eq!(take(), Effects { omit: true, status: Some(409), ..Effects::default() });
        assert_eq!(take(), Effects { status: Some(500), ..Effects::default() });
        assert_eq!(take(), Effects::default());
    }

    #[test]
    fn there_is_room_for_a_thousand() {
        let mut controls = Controls::default();
        let mut add = || controls.add(Target::Agent(ALICE), Moment::Hello, ReplyControl::Omit, 1);

        assert!((0..MOST_CONTROLS).all(|_| add()));
        assert!(!add());
    }
}
