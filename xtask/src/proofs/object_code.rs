//! `object-code`: the jumps that the compiler made of the lanes, beside the list that was reviewed.
//!
//! A branch on a secret is written by nobody and made by the compiler, so the source does not show it. Every
//! conditional jump, division and indirect jump in the functions of the lanes is counted in a linked program; a
//! function whose counts are not those of the list has to be read again.

use std::{collections::BTreeMap, fmt, fs, process::Command};

use crate::{
    failure::{Context, Failure},
    process,
    workspace::{self, cargo},
};

/// The reviewed list: compiler in the first line, then function, conditional jumps, why they are public.
const LIST: &str = "xtask/object-code.tsv";
/// The part of a path that says "in the lanes".
const LANES: &str = "push_crypto::provider::p256_ifma::ifma::";

/// What matters of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    conditional: usize,
    divisions: usize,
    indirect: usize,
}

impl Counts {
    /// Fewer are no danger: another path of the sources moves some of them from one function to another.
    const fn are_within(&self, reviewed: &Self) -> bool {
        self.conditional <= reviewed.conditional
            && self.divisions <= reviewed.divisions
            && self.indirect <= reviewed.indirect
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conditional, divisions, indirect } = self;
        write!(f, "{conditional} conditional jumps, {divisions} divisions, {indirect} indirect jumps")
    }
}

pub(super) fn run(_smoke: bool) -> Result<(), Failure> {
    if cfg!(not(target_arch = "x86_64")) {
        println!("    there are no lanes on this processor");
        return Ok(());
    }
    let found = count(&disassembly()?);
    if found.is_empty() {
        return Err(Failure::new(format!("no function of {LANES} in the program")));
    }
    let (compiler, reviewed) = read_list()?;
    let ours = process::output(Command::new("rustc").arg("--version"))?;
    let mut unread = Vec::new();
    for (name, counts) in &found {
        println!("    {counts}: {name}");
        match reviewed.get(name) {
            Some(wanted) if counts.are_within(wanted) => {}
            Some(wanted) => unread.push(format!("{name} has {counts}; reviewed were {wanted}")),
            None => unread.push(format!("{name} has {counts} and was never reviewed")),
        }
    }
    if unread.is_empty() {
        return Ok(());
    }
    let told = unread.join("\n    ");
    if ours.trim() != compiler {
        println!(
            "    not judged, since {LIST} was written with {compiler} and this is {}\n    {told}",
            ours.trim()
        );
        return Ok(());
    }
    Err(Failure::new(format!(
        "read these functions with objdump, make sure that no jump depends on a secret, and bring {LIST} up to date:\n    {told}"
    )))
}

/// A program with the lanes in it, optimised as the released one, with its symbols, taken apart.
fn disassembly() -> Result<String, Failure> {
    let target = workspace::target().join("object-code");
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "push-crypto",
        "--example",
        "batch",
    ]);
    build.args(["--no-default-features", "--features", "p256_ifma", "--target-dir"]).arg(&target);
    process::run(build.env("CARGO_PROFILE_RELEASE_STRIP", "none"))?;
    let mut objdump = Command::new("objdump");
    objdump.args(["--disassemble", "--no-show-raw-insn", "--demangle"]);
    process::output(objdump.arg(target.join("release/examples/batch")))
}

/// The counts of each function of the lanes; generic ones are told apart by a number.
fn count(text: &str) -> BTreeMap<String, Counts> {
    let mut functions: BTreeMap<String, Counts> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        if let Some(name) =
            line.strip_suffix(">:").and_then(|line| line.split_once('<')).map(|(_, name)| name)
        {
            current = name.strip_prefix(LANES).map(own_name);
            if let Some(name) = &mut current {
                let mut copies = 2;
                while functions.contains_key(name.as_str()) {
                    *name = format!("{} {copies}", name.split(' ').next().unwrap_or_default());
                    copies += 1;
                }
                functions.insert(name.clone(), Counts::default());
            }
        } else if let Some(counts) = current.as_ref().and_then(|name| functions.get_mut(name)) {
            judge(line, counts);
        }
    }
    functions
}

/// Without the hash at the end.
fn own_name(rest: &str) -> String {
    rest.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(rest, |(name, _)| name).to_owned()
}

fn judge(line: &str, counts: &mut Counts) {
    let Some((_, instruction)) = line.split_once(":\t") else { return };
    let mut words = instruction.split_whitespace();
    let (name, operand) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match name {
        "jmp" | "call" if operand.starts_with('*') => counts.indirect += usize::from(name == "jmp"),
        "jmp" => {}
        "div" | "idiv" | "divq" | "idivq" | "divl" | "idivl" => counts.divisions += 1,
        _ if name.starts_with('j') || name.starts_with("loop") => counts.conditional += 1,
        _ => {}
    }
}

fn read_list() -> Result<(String, BTreeMap<String, Counts>), Failure> {
    let text = fs::read_to_string(workspace::root().join(LIST)).context(LIST)?;
    let mut lines = text.lines();
    let compiler = lines.next().unwrap_or_default().trim_start_matches("# ").to_owned();
    let mut list = BTreeMap::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('\t').collect();
        let [name, conditional, divisions, indirect, why] = cells[..] else {
            return Err(Failure::new(format!("{LIST}: five cells are needed in {line:?}")));
        };
        if why.trim().is_empty() {
            return Err(Failure::new(format!("{LIST}: nobody says why the jumps of {name} are public")));
        }
        let number = |cell: &str| cell.parse::<usize>().context(format_args!("{LIST}: {cell:?} of {name}"));
        let counts = Counts {
            conditional: number(conditional)?,
            divisions: number(divisions)?,
            indirect: number(indirect)?,
        };
        list.insert(name.to_owned(), counts);
    }
    Ok((compiler, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_and_divisions_are_counted_per_function_of_the_lanes() {
        let text = "0000000000001000 <push_crypto::provider::p256_ifma::ifma::point::double::h0123456789abcdef>:\n    \
                    1000:\tvpaddq %zmm0,%zmm1,%zmm2\n    1006:\tjne    1000 <x>\n    1008:\tjmp    1000 <x>\n    \
                    100a:\tdiv    %rcx\n    100c:\tjmp    *%rax\n\n\
                    0000000000002000 <other::function>:\n    2000:\tjne    2000 <x>\n";

        let found = count(text);

        let counts = Counts { conditional: 1, divisions: 1, indirect: 1 };
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("point::double".to_owned(), counts)]);
    }

    #[test]
    fn copies_of_a_generic_function_are_told_apart() {
        let line =
            |hash| format!("0001 <push_crypto::provider::p256_ifma::ifma::fixed::multiply::h{hash}>:\n");
        let text = line("0123456789abcdef") + &line("0123456789abcde0");

        assert_eq!(count(&text).into_keys().collect::<Vec<_>>(), ["fixed::multiply", "fixed::multiply 2"]);
    }
}
