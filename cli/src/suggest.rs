//! What somebody may have meant: the parser's guesses, as far as they are not far-fetched.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use quorate_node::similar;

/// Each thing that can be wrong, with the parser's guess at what was meant.
const GUESSES: [(ContextKind, ContextKind); 3] = [
    (ContextKind::InvalidArg, ContextKind::SuggestedArg),
    (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
    (ContextKind::InvalidValue, ContextKind::SuggestedValue),
];

/// The error, with the guesses that may be right. The parser's idea of what is similar is generous: a wrong tip is worse than
/// none.
pub(crate) fn plausible(mut error: clap::Error, command: &mut Command, words: &[OsString]) -> clap::Error {
    for (wrong, guess) in GUESSES {
        let Some(ContextValue::String(given)) = error.get(wrong) else { continue };
        let given = bare(given).to_owned();
        let kept = match error.get(guess) {
            Some(ContextValue::String(name)) if is_near(&given, name) => continue,
            Some(ContextValue::String(_)) => None,
            Some(ContextValue::Strings(names)) => {
                let near: Vec<String> = names.iter().filter(|name| is_near(&given, name)).cloned().collect();
                (!near.is_empty()).then_some(ContextValue::Strings(near))
            }
            _ => continue,
        };
        error.remove(guess);
        match kept {
            Some(kept) => {
                error.insert(guess, kept);
            }
            None if guess == ContextKind::SuggestedArg => {
                // An option of another command went with that command, and how it would be used is shown.
                error.remove(ContextKind::SuggestedSubcommand);
                error.insert(
                    ContextKind::Usage,
                    ContextValue::StyledStr(usage(command, words.get(1..).unwrap_or_default())),
                );
            }
            None => {}
        }
    }
    // An empty line for each list, also an empty one.
    if matches!(error.get(ContextKind::Suggested), Some(ContextValue::StyledStrs(others)) if others.is_empty())
    {
        error.remove(ContextKind::Suggested);
    }
    error
}

/// How the command is used that the words name.
fn usage(command: &mut Command, words: &[OsString]) -> StyledStr {
    if let Some((word, rest)) = words.split_first()
        && let Some(inner) = command.find_subcommand_mut(word)
    {
        return usage(inner, rest);
    }
    command.render_usage()
}

fn is_near(given: &str, name: &str) -> bool {
    similar::is_near(given, bare(name))
}

/// An option without its dashes and its value.
fn bare(text: &str) -> &str {
    let text = text.trim_start_matches('-');
    text.split(['=', ' ']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use crate::Arguments;
    use clap::CommandFactory;

    fn told(arguments: &[&str]) -> String {
        let mut command = Arguments::command();
        let words: Vec<_> = ["quorate"].iter().chain(arguments).map(std::ffi::OsString::from).collect();
        let parsed = command.try_get_matches_from_mut(&words);
        super::plausible(parsed.expect_err("wrong arguments"), &mut command, &words).render().to_string()
    }

    #[test]
    fn guesses_are_told_when_they_may_be_right() {
        for (arguments, tip) in [
            (&["sign", "--walet", "w"][..], "'--wallet'"),
            (&["walet", "list"], "'wallet'"),
            (&["sesion", "watch"], "'session'"),
            (&["wallet", "lst"], "'list'"),
            (&["sign", "--wallet=w", "--mesage=x"], "'--message'"),
            (&["wallet", "create", "--curve", "ed2519"], "'ed25519'"),
        ] {
            let told = told(arguments);
            assert!(told.contains("tip: ") && told.contains(tip), "{told}");
        }
        for arguments in [
            &["bench", "sign", "--seconds", "10"][..],
            &["nonsense"],
            &["wallet", "create", "--threshold", "2", "--total", "3", "--curve", "p384"],
            &["sign", "--colour"],
        ] {
            let told = told(arguments);
            assert!(!told.contains("similar") && !told.contains("\n\n\n"), "{told}");
            assert!(
                !told.contains("Usage") || told.contains("[OPTIONS]") || told.contains("quorate sign"),
                "{told}"
            );
        }
    }
}
