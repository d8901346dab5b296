use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn failing<T: Send + 'static>() -> impl Future<Output = Result<T, Report>> + Send + 'static {
    core::future::ready(Err(Report::remark("nothing matched")))
}

/// Polls once; gives the text of the panic and the line that it names.
fn panic_of(poll: impl FnOnce()) -> (String, u32) {
    use std::sync::{Mutex, PoisonError};
    static HOOK: Mutex<()> = Mutex::new(());
    let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let line = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&line);
    let here = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            *seen.lock().unwrap() = info.location().map_or(0, |location| location.line());
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(poll));
    std::panic::set_hook(before);
    let text = *result.unwrap_err().downcast::<String>().unwrap();
    let line = *line.lock().unwrap();
    (text, line)
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
}

#[test]
fn a_failed_expectation_panics_at_the_line_that_awaits_it() {
    let line = line!() + 3;
    let (text, seen) = panic_of(|| {
        run(async {
            Awaited::of(failing::<()>()).await;
        });
    });

    assert_eq!((text.as_str(), seen), ("nothing matched", line));
}

#[test]
fn an_expectation_awaited_elsewhere_names_the_line_that_made_it() {
    let line = line!() + 3;
    let (text, _) = panic_of(|| {
        run(async {
            let made = Awaited::of(failing::<()>());
            tokio::task::unconstrained(made).await;
        });
    });

    assert!(text.starts_with("nothing matched\n  expected at "), "{text}");
    assert!(text.contains(&format!("tests.rs:{line}:")), "{text}");
}

#[tokio::test]
async fn a_met_expectation_gives_its_value() {
    assert_eq!(Awaited::of(core::future::ready(Ok(7))).await, 7);
}

#[test]
fn ranges_become_limits() {
    let check = |bounds: Bounds, expected: &str| assert_eq!(bounds.to_string(), expected);

    check(bounds(&(60..)), "≥ 60");
    check(bounds(&(..60)), "≤ 59");
    check(bounds(&(..=60)), "≤ 60");
    check(bounds(&(60..=60)), "60");
    check(bounds(&(..)), "any");
}
