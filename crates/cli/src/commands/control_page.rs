//! `ringfence check --explain CONTROL`.

use crate::exit::Exit;

/// Prints the control's reference page; `list` prints one line for each control.
pub(crate) fn print(name: &str) -> Exit {
    let wanted = name.to_ascii_lowercase();
    if wanted == "list" {
        for control in ringfence_pss::CONTROLS {
            anstream::println!("{:<28} {}", control.id, control.level);
        }
        return Exit::Clean;
    }
    // People write runAsNonRoot as they remember it; `capabilities` has a baseline and a restricted page.
    let pages: Vec<_> = ringfence_pss::CONTROLS
        .into_iter()
        .filter(|control| {
            let id = control.id.to_ascii_lowercase();
            id == wanted || id.split('_').next() == Some(&*wanted)
        })
        .collect();
    if pages.is_empty() {
        super::complain(&format!("no control is called {name:?}; `ringfence check --explain list` names them all"));
        return Exit::Failure;
    }
    for control in pages {
        anstream::println!("{}", control.page());
    }
    Exit::Clean
}
