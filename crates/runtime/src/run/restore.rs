//! A caller's terminal in raw mode, and its way back: when the copying ends, and, should this process be killed before it
//! can do it, by a child process that waits for its end.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcsetattr,
};

/// What a run writes when it has given the terminal back itself.
const DISMISSED: u8 = b'.';

/// The caller's terminal in raw mode, until dropped.
#[derive(Debug)]
pub(super) struct Raw(Option<(Termios, Child)>);

impl Raw {
    /// Makes standard input raw, if it is a terminal.
    pub(super) fn set() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        if !isatty(stdin) {
            return Ok(Self(None));
        }
        let before = tcgetattr(stdin)?;
        // First: whoever is killed in between leaves nothing to be put right.
        let guardian = Command::new(crate::protect::program()?)
            .args([OsString::from(crate::inside::MARKER), "terminal".into()])
            .args(words(&before))
            .stdin(Stdio::piped())
            .stdout(stdin.try_clone_to_owned()?)
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let raw = Self(Some((before.clone(), guardian)));
        let mut modes = before;
        modes.make_raw();
        tcsetattr(stdin, OptionalActions::Drain, &modes)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let Some((before, mut guardian)) = self.0.take() else { return };
        let restored = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &before);
        if let (Ok(()), Some(mut pipe)) = (restored, guardian.stdin.take()) {
            // A guardian that is gone already needs no message; where the modes could not be set, it tries.
            let _ = pipe.write_all(&[DISMISSED]);
        }
        let _ = guardian.wait();
    }
}

/// What raw mode changes, as the guardian's arguments.
fn words(modes: &Termios) -> [OsString; 6] {
    let codes = &modes.special_codes;
    [
        modes.input_modes.bits(),
        modes.output_modes.bits(),
        modes.control_modes.bits(),
        modes.local_modes.bits(),
        u32::from(codes[SpecialCodeIndex::VMIN]),
        u32::from(codes[SpecialCodeIndex::VTIME]),
    ]
    .map(|word| word.to_string().into())
}

/// The guardian: waits for the end of standard input, and sets the modes that it is given for the terminal at standard
/// output, unless told that this is done.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    // A terminal stops those in the background who change it, unless they do not listen.
    super::signals::take_none();
    let mut message = Vec::new();
    let _ = io::stdin().take(1).read_to_end(&mut message);
    if message == [DISMISSED] {
        return ExitCode::SUCCESS;
    }
    match restore(args) {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn restore(args: &[OsString]) -> Option<()> {
    let numbers: Vec<u32> = args.iter().map(|arg| arg.to_str()?.parse().ok()).collect::<Option<_>>()?;
    let [input, output, control, local, least, time] = *numbers.as_slice() else { return None };
    let terminal = rustix::stdio::stdout();
    let mut modes = tcgetattr(terminal).ok()?;
    modes.input_modes = InputModes::from_bits_retain(input);
    modes.output_modes = OutputModes::from_bits_retain(output);
    modes.control_modes = ControlModes::from_bits_retain(control);
    modes.local_modes = LocalModes::from_bits_retain(local);
    modes.special_codes[SpecialCodeIndex::VMIN] = u8::try_from(least).ok()?;
    modes.special_codes[SpecialCodeIndex::VTIME] = u8::try_from(time).ok()?;
    tcsetattr(terminal, OptionalActions::Flush, &modes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_raw_mode_changes_comes_back() {
        let controller =
            rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        let before = tcgetattr(&controller).unwrap();
        let mut raw = before.clone();
        raw.make_raw();
        assert_ne!(words(&raw), words(&before));
    }
}
