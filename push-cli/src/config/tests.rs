use std::path::Path;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn file(text: &str) -> Vec<File> {
    let path = PathBuf::from("push.toml");
    vec![File { path, table: text.parse().unwrap() }]
}

fn settings_of(line: &str, files: &[File]) -> Vec<Setting> {
    let first = Cli::command().try_get_matches_from(words(line)).unwrap();
    let path = command_path(&first);
    let (tree, origins) = with_defaults(Cli::command(), &path, files).unwrap();
    let matches = tree.clone().try_get_matches_from(words(line)).unwrap();
    settings(&tree, &matches, &path, &origins)
}

fn setting(line: &str, files: &[File], name: &str) -> (String, Origin) {
    let all = settings_of(line, files);
    let found = all.into_iter().find(|setting| setting.name == name).unwrap();
    (found.value, found.origin)
}

fn problem(text: &str) -> String {
    let table = text.parse().unwrap();
    check_file(Path::new("push.toml"), &table, &Cli::command()).unwrap_err().message().to_owned()
}

#[test]
fn a_flag_wins_over_a_file_and_a_file_over_the_default() {
    let files = file("[serve]\nport = 9000\nstrict = true\n");
    let from_file = Origin::File(PathBuf::from("push.toml"));

    assert_eq!(setting("push serve", &files, "port"), ("9000".to_owned(), from_file.clone()));
    assert_eq!(setting("push serve --port 1", &files, "port"), ("1".to_owned(), Origin::Flag));
    assert_eq!(setting("push serve", &files, "strict"), ("on".to_owned(), from_file));
    assert_eq!(setting("push serve", &files, "refuse-put"), ("off".to_owned(), Origin::Default));
}

#[test]
fn the_first_file_wins() {
    let mut files = file("[serve]\nport = 1\n");
    files.extend(file("[serve]\nport = 2\nseed = 7\n"));

    assert_eq!(setting("push serve", &files, "port").0, "1");
    assert_eq!(setting("push serve", &files, "seed").0, "7");
}

#[test]
fn the_top_holds_for_every_command_and_a_table_for_its_own() {
    let files = file("space = \"t1\"\n[wait]\nspace = \"t2\"\n[sub.new]\nprofile = \"rfc\"\n");

    assert_eq!(setting("push msg ls", &files, "space").0, "t1");
    assert_eq!(setting("push wait", &files, "space").0, "t2");
    assert_eq!(setting("push sub new", &files, "profile").0, "rfc");
}

#[test]
fn a_list_gives_a_flag_several_times() {
    let files = file("[serve]\nallow-host = [\"a\", \"b\"]\n");

    assert_eq!(setting("push serve", &files, "allow-host").0, "a, b");
}

#[test]
fn secrets_are_masked() {
    assert_eq!(setting("push serve --token canary", &[], "token").0, "•••");
}

#[test]
fn unknown_keys_are_errors() {
    assert!(problem("portt = 1").contains("unknown key \"portt\""));
    assert!(problem("[serve]\nportt = 1").contains("unknown key \"serve.portt\""));
    assert!(problem("[serv]\nport = 1").contains("unknown key \"serv\""));
    assert!(problem("[sub.new]\nx = 1").contains("unknown key \"sub.new.x\""));
}

#[test]
fn values_are_checked_as_flags_are() {
    assert!(problem("[serve]\nport = \"x\"").contains("serve.port"));
    assert!(problem("[serve]\nport = 70000").contains("serve.port"));
    assert!(problem("[serve]\nstrict = 1").contains("serve.strict"));
    assert!(problem("[serve]\nport = [1, 2]").contains("serve.port"));
    assert!(problem("url = 1").contains("url must be text"));
    assert!(problem("[serve]\nport = { a = 1 }").contains("serve.port"));
}

#[test]
fn limits_keep_their_file() {
    let mut files = file("[limits]\nbody_octets = 5000\n");
    files.extend(file("[limits]\nbody_octets = 6000\nspaces = 7\n"));

    let all = limits(&files);

    assert_eq!(all.len(), 2);
    assert_eq!((all[0].name.as_str(), all[0].value.as_str()), ("body_octets", "5000"));
}
