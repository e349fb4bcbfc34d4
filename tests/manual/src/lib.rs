//! Man pages and shell completions, made from the definition of a command line. The tests of each program use it, so that
//! no program contains it: `make manual` has them write the files, which packages install.

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// Variable with the folder for the files. Without it, nothing is written.
const FOLDER_VARIABLE: &str = "VITALSIGN_MANUAL";
const EXAMPLES: &str = "Examples:\n";

/// A man page.
#[derive(Debug)]
pub struct Page {
    /// Name of the file without its extension: `vitalsign-enrol`.
    pub name: String,
    /// Content in roff.
    pub text: String,
    /// Command lines of the section EXAMPLES, as they are typed.
    pub examples: Vec<String>,
}

/// Returns the pages of a command and of all its subcommands.
///
/// # Errors
/// A page cannot be formatted.
pub fn pages(mut command: Command) -> io::Result<Vec<Page>> {
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    pages.push(page(command)?);
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help" && !it.is_hide_set()) {
        add_pages(subcommand, pages)?;
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<Page> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, notes) = match help.strip_prefix(EXAMPLES) {
        Some(rest) => rest.split_once("\n\n").unwrap_or((rest, "")),
        None => ("", help.as_str()),
    };
    let examples = if examples.is_empty() { simplest(command) } else { examples.to_owned() };
    let man = Man::new(command.clone().after_help(None::<&str>).after_long_help(None::<&str>));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8(text).map_err(io::Error::other)?;
    text.push_str(&section("EXAMPLES", &examples));
    if !notes.is_empty() {
        text.push_str(&section("NOTES", notes));
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let program = name.split(' ').next().unwrap_or(name);
    let lines = examples.lines().map(|line| line.trim().to_owned());
    let examples = lines.filter(|line| words(line).first().is_some_and(|it| it == program)).collect();
    Ok(Page { name: command.get_display_name().unwrap_or(command.get_name()).to_owned(), text, examples })
}

/// The simplest call of a command: with a value for each argument that is required.
fn simplest(command: &Command) -> String {
    let value = |argument: &Arg| match argument.get_id().as_str() {
        "name" | "user" => "nurse-7",
        "device" => "7ZA-3T9-KWJ",
        "id" | "token" | "key" => "3",
        "which" | "step_up" => "4711",
        _ => "FILE",
    };
    let required = command.get_arguments().filter(|it| it.is_required_set());
    let words = required.map(|argument| match argument.get_long() {
        Some(long) => format!("--{long} {}", value(argument)),
        None => value(argument).to_owned(),
    });
    let subcommand =
        command.get_subcommands().find(|it| command.is_subcommand_required_set() && it.get_name() != "help");
    match subcommand {
        Some(subcommand) => simplest(subcommand),
        None => {
            let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
            format!("    {}", [vec![name], words.collect()].concat().join(" "))
        }
    }
}

/// Formats a section whose lines stay as they are.
fn section(title: &str, content: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A line that begins with one of these is a request.
        if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
    };
    format!(".SH {title}\n.nf\n{}.fi\n", content.lines().map(line).collect::<String>())
}

/// Splits a command line as a shell does: quotes hold words together, and what follows a redirection is left out.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let end = words.iter().position(|it| matches!(it.as_str(), "<" | ">" | "|")).unwrap_or(words.len());
    words.truncate(end);
    words.into_iter().skip_while(|it| it == "sudo").collect()
}

/// Returns the completions of a command for bash.
#[must_use]
pub fn bash_completions(mut command: Command) -> String {
    let (name, mut completions) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(Shell::Bash, &mut command, name, &mut completions);
    String::from_utf8_lossy(&completions).into_owned()
}

/// Writes pages, and the completions of a command for each shell, if `VITALSIGN_MANUAL` names a folder.
///
/// # Errors
/// A file cannot be written.
pub fn write(pages: &[Page], completed: Option<Command>) -> io::Result<()> {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return Ok(()) };
    let folder = Path::new(&folder);
    let (man, completions) = (folder.join("man1"), folder.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    for page in pages {
        std::fs::write(man.join(format!("{}.1", page.name)), &page.text)?;
    }
    let Some(mut command) = completed else { return Ok(()) };
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        clap_complete::generate_to(shell, &mut command, &name, &completions)?;
    }
    Ok(())
}
