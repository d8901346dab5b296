//! `tidy`: rules about the source tree that a machine can check. Also a test, so that whoever runs the
//! tests has run the whole gate.
//!
//! What is a property of one table (rules, limits, routes) is an ordinary test beside that table, not here.

mod edges;
mod files;
mod words;

use crate::{failure::Failure, workspace};

/// Checks everything and prints each problem with its place.
pub(crate) fn run() -> Result<(), Failure> {
    let problems = problems()?;
    for problem in &problems {
        println!("  {problem}");
    }
    if problems.is_empty() {
        println!("  the tree is tidy");
        return Ok(());
    }
    Err(Failure::new(format!("{} problems in the source tree", problems.len())))
}

fn problems() -> Result<Vec<String>, Failure> {
    let files = files::read(&workspace::files()?)?;
    let mut problems = Vec::new();
    words::check(&files, &mut problems);
    files::check(&files, &mut problems);
    edges::check(&workspace::metadata()?, &mut problems);
    edges::check_size(&mut problems)?;
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        assert_eq!(super::problems().unwrap(), [""; 0]);
    }
}
