//! `push env`: variables that let other programs find and trust the service.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{
    api::Api,
    cli::ServiceArgs,
    commands::ca,
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
    message::member,
    output::Output,
};

/// Variables that let other programs find and trust the service, for eval.
///
/// With --intercept the service becomes their proxy too, so that endpoints at
/// the vendors' hosts end at it. curl, Python and Go honour HTTPS_PROXY;
/// Node.js does from 22.21 and 24.5 on, with NODE_USE_ENV_PROXY=1. For an
/// older one give the library the proxy: npm web-push has the option proxy.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push env
  push env --intercept
  push env --shell github")]
pub(crate) struct EnvArgs {
    /// Also make the service the proxy for https
    #[arg(long)]
    intercept: bool,
    /// Form of the lines [default: that of $SHELL]
    #[arg(long, value_enum, value_name = "S")]
    shell: Option<Shell>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// export NAME='value'
    Bash,
    /// set -gx NAME 'value'
    Fish,
    /// $env:NAME = 'value'
    Powershell,
    /// NAME=value, as Docker and many tools read
    Dotenv,
    /// Appended to $GITHUB_ENV
    Github,
}

/// Runs the command.
pub(crate) async fn run(args: &EnvArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let variables = variables(&api, args).await?;
    if out.is_json() {
        let members: Map<String, Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return out.object(json!({"env": members}));
    }
    let shell = args.shell.unwrap_or_else(default_shell);
    for (name, value) in variables {
        out.line(line(shell, name, &value))?;
    }
    if shell == Shell::Bash && out.is_terminal() {
        out.note("# to use them here: eval \"$(push env)\"");
    }
    Ok(())
}

async fn variables(api: &Api, args: &EnvArgs) -> Result<Vec<(&'static str, String)>> {
    let files = ca::files_of(api).await?;
    let mut variables = vec![
        ("PUSH_URL", api.origin().to_string()),
        ("NODE_EXTRA_CA_CERTS", files.certificate.display().to_string()),
        ("CURL_CA_BUNDLE", files.bundle.display().to_string()),
        ("REQUESTS_CA_BUNDLE", files.bundle.display().to_string()),
        ("SSL_CERT_FILE", files.bundle.display().to_string()),
    ];
    if let Some(space) = &args.service.space {
        variables.insert(1, ("PUSH_SPACE", space.clone()));
    }
    if args.intercept {
        check_intercepts(api).await?;
        variables.extend(proxy(&api.origin().to_string(), api.origin().host()));
    }
    Ok(variables)
}

async fn check_intercepts(api: &Api) -> Result<()> {
    let info = api.get("/info", &[]).await?;
    if matches!(member(&info, "intercept"), "on" | "pass") {
        return Ok(());
    }
    Err(Diagnostic::new(ExitCode::INPUT, "env/intercept", format!("{} intercepts nothing", api.origin()))
        .why("it was started with --intercept off")
        .fix("push serve --intercept on"))
}

/// The service as the proxy for https, but not for itself and other programs of this machine.
fn proxy(url: &str, host: &str) -> Vec<(&'static str, String)> {
    let mut direct: Vec<String> = Vec::new();
    let kept = ["NO_PROXY", "no_proxy"].into_iter().find_map(environment::variable).unwrap_or_default();
    for name in kept.split(',').chain(["localhost", "127.0.0.1", "::1", host.trim_matches(['[', ']'])]) {
        let name = name.trim();
        if !name.is_empty() && !direct.iter().any(|known| known == name) {
            direct.push(name.to_owned());
        }
    }
    let direct = direct.join(",");
    // Half of all programs read the one form, half the other.
    vec![
        ("HTTPS_PROXY", url.to_owned()),
        ("https_proxy", url.to_owned()),
        ("NO_PROXY", direct.clone()),
        ("no_proxy", direct),
        ("NODE_USE_ENV_PROXY", "1".to_owned()),
    ]
}

fn default_shell() -> Shell {
    let shell = environment::variable("SHELL").unwrap_or_default();
    if shell.ends_with("/fish") {
        Shell::Fish
    } else if shell.is_empty() && cfg!(windows) {
        Shell::Powershell
    } else {
        Shell::Bash
    }
}

fn line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Bash => format!("export {name}='{}'", value.replace('\'', "'\\''")),
        Shell::Fish => format!("set -gx {name} '{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
        Shell::Powershell => format!("$env:{name} = '{}'", value.replace('\'', "''")),
        Shell::Dotenv => {
            let plain = value.chars().all(|c| c.is_ascii_graphic() && !"\"'#$\\`".contains(c));
            if plain {
                format!("{name}={value}")
            } else {
                format!("{name}='{}'", value.replace('\'', "'\\''"))
            }
        }
        Shell::Github => format!("{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_each_shell() {
        let check = |shell, expected: &str| assert_eq!(line(shell, "A", "/a b'c"), expected);

        check(Shell::Bash, "export A='/a b'\\''c'");
        check(Shell::Fish, "set -gx A '/a b\\'c'");
        check(Shell::Powershell, "$env:A = '/a b''c'");
        check(Shell::Dotenv, "A='/a b'\\''c'");
        check(Shell::Github, "A=/a b'c");
        assert_eq!(
            line(Shell::Dotenv, "PUSH_URL", "http://localhost:8030"),
            "PUSH_URL=http://localhost:8030"
        );
    }
}
