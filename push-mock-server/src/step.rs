//! `TestStep`: something that a test does with the service; it panics at the test's line when it cannot be done.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

/// A step of a test; nothing happens before it is awaited.
///
/// # Panics
/// When it is awaited and cannot be done, with the reason and the line that made it. Calls that return errors
/// instead are those of [`PushService`](crate::PushService).
#[must_use = "a step does nothing until it is awaited"]
pub struct TestStep<T> {
    work: Pin<Box<dyn Future<Output = Result<T, Failed>> + Send>>,
    made_at: &'static Location<'static>,
}

/// Why a step failed, as text for the panic.
struct Failed(String);

impl<T> TestStep<T> {
    #[track_caller]
    pub(crate) fn new<E: fmt::Display>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Self {
        Self::at(Location::caller(), work)
    }

    pub(crate) fn at<E: fmt::Display>(
        made_at: &'static Location<'static>,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Self {
        let work = async move { work.await.map_err(|error| Failed(error.to_string())) };
        Self { work: Box::pin(work), made_at }
    }
}

impl<T> Future for TestStep<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.work.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            Poll::Ready(Err(Failed(reason))) => fail(&reason, self.made_at),
        }
    }
}

impl<T> fmt::Debug for TestStep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestStep(made at {})", self.made_at)
    }
}

#[expect(clippy::panic, reason = "a step of a test that cannot be done fails the test")]
fn fail(reason: &str, made_at: &'static Location<'static>) -> ! {
    if std::thread::panicking() {
        // The first panic is what the test is about; a second one would abort the process.
        std::panic::resume_unwind(Box::new(reason.to_owned()));
    }
    panic!("{reason}\n  at {made_at}");
}
