//! The run itself: outcomes are written down as they come, until all are there or somebody says stop.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::ReadyChunks};
use push_client::{BulkOptions, Outcome, PushClient, SendAll};
use tokio::{
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    BulkArgs, FailOn,
    books::{Books, Whom},
    feed::{Items, Ticket, lock},
    progress::Progress,
    source::Source,
    tally::Files,
};
use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
    signals::Signals,
};

/// How often the ledger's age is looked at: its group is at most 200 ms old.
const BEAT: Duration = Duration::from_millis(100);
/// Beats between two lines where there is no terminal: 5 s.
const BEATS_OF_LINE: u64 = 50;

/// Everything a run needs.
pub(super) struct Running {
    pub(super) client: PushClient,
    pub(super) options: BulkOptions,
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) signals: Signals,
    pub(super) out: Output,
    /// Outcomes that have come.
    pub(super) noted: u64,
}

/// Why a run ended.
enum End {
    /// All that was to be sent has an outcome.
    Done,
    /// Told to stop, and what was under way has an outcome.
    Interrupted(ExitCode),
    /// Told twice: what was under way is left alone.
    Cut(ExitCode),
    /// Something could not be written: what was under way is left alone.
    Failed,
}

impl Running {
    /// Sends, reports, and gives the exit code.
    pub(super) async fn run(
        mut self,
        (items, feed): (Items, thread::JoinHandle<bool>),
        source: &Source,
        args: &BulkArgs,
    ) -> Result<ExitCode> {
        let began = Instant::now();
        let taken = items.taken.clone();
        let chunk = args.bounds.chunk();
        let most_refused = args.bounds.stop_after_refused;
        let mut outcomes = self.client.send_all_with(self.options.clone(), items).ready_chunks(chunk);
        let mut show = Show::new(self.out, source.most(), taken.clone(), began);
        let end = self.drive(&mut outcomes, most_refused, &mut show).await;
        show.clear();
        // Nobody takes messages any more, so the thread ends by itself.
        let has_read_all = ended(feed).await;
        let mut books = lock(&self.books);
        if let Some(failure) = books.failure.take() {
            // The ledger still gets what is known.
            let _ = books.write();
            return Err(failure);
        }
        let has_read_all = has_read_all?;
        if !matches!(end, End::Cut(_) | End::Failed) {
            all_came(taken.load(Ordering::Relaxed), self.noted)?;
            books.settle()?;
        }
        if matches!(end, End::Done) {
            source.check_unchanged()?;
            if !has_read_all && !self.stop.load(Ordering::Relaxed) {
                return Err(incomplete("the list was not read to its end"));
            }
        }
        self.report(&books, &end, source, args, began.elapsed())
    }

    async fn drive(
        &mut self,
        outcomes: &mut ReadyChunks<SendAll<Items, Ticket>>,
        most_refused: Option<u64>,
        show: &mut Show,
    ) -> End {
        let mut beats = beats();
        let mut syncing: Option<JoinHandle<()>> = None;
        let mut end = End::Done;
        loop {
            tokio::select! {
                biased;
                code = self.signals.next() => {
                    if let End::Interrupted(code) = end {
                        return End::Cut(code);
                    }
                    self.stop.store(true, Ordering::Relaxed);
                    outcomes.get_mut().stop();
                    show.clear();
                    self.out.note("stopping: what is under way is finished; once more to leave it alone");
                    end = End::Interrupted(code);
                }
                _ = beats.tick() => {
                    show.beat(&self.books);
                    if lock(&self.books).failure.is_some() {
                        return End::Failed;
                    }
                    if syncing.as_ref().is_none_or(JoinHandle::is_finished) {
                        syncing = self.sync();
                    }
                }
                chunk = outcomes.next() => match chunk {
                    Some(chunk) => {
                        self.note(&chunk, most_refused);
                        if lock(&self.books).failure.is_some() {
                            return End::Failed;
                        }
                        if self.stop.load(Ordering::Relaxed) {
                            outcomes.get_mut().stop();
                        }
                    }
                    None => return end,
                },
            }
        }
    }

    /// Writes outcomes down; when that fails, nothing more is sent.
    fn note(&mut self, chunk: &[(Ticket, Outcome)], most_refused: Option<u64>) {
        self.noted += chunk.len() as u64;
        let mut books = lock(&self.books);
        let mut noted = Ok(());
        for (ticket, outcome) in chunk {
            let whom =
                Whom { index: ticket.index, id: ticket.id.as_deref(), endpoint: ticket.endpoint.as_ref() };
            noted = noted.and(books.outcome(&whom, outcome, ticket.began.elapsed()));
        }
        // All of them, and whatever failed: what is not in the ledger is sent again.
        let written = books.write();
        if let Err(failure) = noted.and(written) {
            self.stop.store(true, Ordering::Relaxed);
            books.failure.get_or_insert(failure);
        }
        if most_refused.is_some_and(|most| books.tally.refused >= most) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Begins the sync of a group on another thread.
    fn sync(&self) -> Option<JoinHandle<()>> {
        let mut books = lock(&self.books);
        let written = books.write();
        match written.and_then(|()| books.sync_if_due()) {
            Ok(sync) => {
                let (sync, books, stop) = (sync?, self.books.clone(), self.stop.clone());
                Some(tokio::task::spawn_blocking(move || {
                    let synced = sync.run();
                    let mut books = lock(&books);
                    if let Err(failure) = synced.and_then(|synced| books.synced(synced)) {
                        stop.store(true, Ordering::Relaxed);
                        books.failure.get_or_insert(failure);
                    }
                }))
            }
            Err(failure) => {
                self.stop.store(true, Ordering::Relaxed);
                books.failure.get_or_insert(failure);
                None
            }
        }
    }

    fn report(
        &self,
        books: &Books,
        end: &End,
        source: &Source,
        args: &BulkArgs,
        took: Duration,
    ) -> Result<ExitCode> {
        let (tally, results) = (&books.tally, &args.results);
        let exit = tally.exit(results.fail_on == Some(FailOn::Gone));
        let has_stopped = self.stop.load(Ordering::Relaxed);
        let exit = match end {
            End::Done | End::Failed => exit,
            End::Interrupted(code) | End::Cut(code) => *code,
        };
        if self.out.is_json() {
            let mut summary = tally.to_json(took, exit == ExitCode::SUCCESS);
            if let Some(members) = summary.as_object_mut() {
                members.insert("stopped".to_owned(), has_stopped.into());
            }
            self.out.record(&summary)?;
            return Ok(exit);
        }
        let files = Files { gone: results.gone_out.as_deref(), rejects: results.rejects.as_deref() };
        let is_beside = results.out.as_ref().is_some_and(|path| path.as_os_str() == "-");
        for line in tally.lines(took, &files) {
            // stdout has the outcomes alone.
            if is_beside { self.out.note(line) } else { self.out.line(line)? }
        }
        if tally.again > 0 {
            let again = tally.again;
            self.out.note(match books.has_ledger() {
                true => format!("{again} of them were not tried, or lack something here; the same command tries them again"),
                false => format!("{again} of them were not tried, or lack something here"),
            });
        }
        if has_stopped {
            let left = source.most().saturating_sub(tally.total());
            let how = match (books.has_ledger(), end) {
                (false, _) => "without a ledger it cannot be gone on with",
                (true, End::Cut(_)) => {
                    "run the same command again to go on; what was under way may come twice"
                }
                (true, _) => "run the same command again to go on",
            };
            let why = match end {
                End::Done | End::Failed => "too many were refused",
                End::Interrupted(_) | End::Cut(_) => "told to",
            };
            self.out.note(format!("stopped ({why}): at most {left} are left; {how}"));
        } else if tally.total() == tally.earlier() && tally.earlier() > 0 {
            self.out.note("everybody has an outcome already; to send again, remove the ledger or name another with --ledger");
        } else if tally.total() == 0 {
            self.out.note("nobody is in the list");
        }
        Ok(exit)
    }
}

/// Waits for the thread that reads; true when it has come to the end of the list.
async fn ended(feed: thread::JoinHandle<bool>) -> Result<bool> {
    let joined = tokio::task::spawn_blocking(move || feed.join().ok()).await;
    joined.ok().flatten().ok_or_else(|| incomplete("the thread that reads the list has panicked"))
}

/// Whoever was taken has to have an outcome, else nobody knows whether the message was sent.
fn all_came(taken: u64, noted: u64) -> Result<()> {
    if taken == noted {
        return Ok(());
    }
    Err(incomplete(&format!("{taken} messages were begun, and {noted} outcomes have come")))
}

fn incomplete(why: &str) -> Diagnostic {
    Diagnostic::new(ExitCode::UNEXPECTED, "bulk/incomplete", "the run has ended before all was done")
        .why(why)
        .fix("run the same command again to go on, and report this: it is a bug")
}

fn beats() -> Interval {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

/// How far the run is: a line that is overwritten on a terminal, else one every 5 s.
struct Show {
    out: Output,
    is_terminal: bool,
    most: u64,
    taken: Arc<AtomicU64>,
    began: Instant,
    beats: u64,
    is_shown: bool,
}

impl Show {
    fn new(out: Output, most: u64, taken: Arc<AtomicU64>, began: Instant) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { out, is_terminal, most, taken, began, beats: 0, is_shown: false }
    }

    fn beat(&mut self, books: &Mutex<Books>) {
        self.beats += 1;
        // The first beat comes at once.
        let is_time = self.is_terminal || (self.beats > 1 && self.beats % BEATS_OF_LINE == 1);
        if !is_time || self.out.is_json() || self.out.is_quiet() {
            return;
        }
        let books = lock(books);
        let (tally, taken) = (&books.tally, self.taken.load(Ordering::Relaxed));
        let ended_here = tally.total() - tally.earlier();
        let progress = Progress {
            tally,
            most: self.most,
            under_way: taken.saturating_sub(ended_here),
            elapsed: self.began.elapsed(),
        };
        if self.is_terminal {
            let mut stream = anstream::stderr().lock();
            // To the begin of the line, over what is there, and nothing behind it.
            let _ = write!(stream, "\r\u{1b}[2K  {}  {}", progress.bar(), progress.line());
            let _ = stream.flush();
            self.is_shown = true;
        } else {
            self.out.note(progress.line());
        }
    }

    fn clear(&mut self) {
        if self.is_shown {
            let mut stream = anstream::stderr().lock();
            let _ = write!(stream, "\r\u{1b}[2K");
            let _ = stream.flush();
            self.is_shown = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_reading_thread_is_never_done() {
        // A panic without the hook's words in the output of the tests.
        let panicked = thread::spawn(|| std::panic::resume_unwind(Box::new("a bug")));

        let failure = ended(panicked).await.unwrap_err();

        assert_eq!(failure.exit(), ExitCode::UNEXPECTED);
        assert!(ended(thread::spawn(|| true)).await.unwrap());
        assert!(!ended(thread::spawn(|| false)).await.unwrap());
    }

    #[test]
    fn an_outcome_that_never_came_is_never_done() {
        assert!(all_came(7, 7).is_ok());
        assert_eq!(all_came(8, 7).unwrap_err().exit(), ExitCode::UNEXPECTED);
    }
}
