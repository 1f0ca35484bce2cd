//! The pages in `docs/controls` say what the doc comments say. `UPDATE_DOCS=1` writes them anew.

use ringfence_pss::{CONTROLS, Control};
use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/controls")
}

fn overview() -> String {
    let mut page = String::from(
        "# Controls of the Pod Security Standards\n\n\
         Each page is made from the control's doc comment; `ringfence check --explain CONTROL` prints it.\n\n\
         | Control | Level | Since | |\n| --- | --- | --- | --- |\n",
    );
    for Control { id, level, title, revisions, .. } in CONTROLS {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| [{id}]({id}.md) | {level} | {} | {title} |", revisions[0].since);
    }
    page
}

#[test]
fn the_pages_are_what_the_controls_say() {
    let mut wanted: BTreeMap<String, String> =
        CONTROLS.iter().map(|control| (format!("{}.md", control.id), control.page())).collect();
    wanted.insert("README.md".to_owned(), overview());

    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(directory()).expect("the directory can be made");
        for (name, text) in &wanted {
            fs::write(directory().join(name), text).expect("a page can be written");
        }
    }
    let found: BTreeMap<String, String> = fs::read_dir(directory())
        .expect("docs/controls is there")
        .map(|entry| {
            let entry = entry.expect("an entry");
            (entry.file_name().into_string().expect("a name"), fs::read_to_string(entry.path()).expect("a page"))
        })
        .collect();
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "pages are missing or belong to no control; run with UPDATE_DOCS=1");
    for (name, text) in &wanted {
        assert_eq!(&found[name], text, "{name} is out of date; run with UPDATE_DOCS=1");
    }
}

#[test]
fn every_page_has_its_headings_and_a_line_for_every_field_and_version() {
    for control in CONTROLS {
        let page = control.page();
        let heading = |name: &str| page.lines().position(|line| line == format!("## {name}"));
        let fields = if control.fields.len() == 1 { "Restricted field" } else { "Restricted fields" };
        let order = ["What it does", "Why is this bad", "Example", "Use instead", fields, "Versions"].map(heading);
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{}: {order:?}", control.id);
        assert!(control.fields.iter().all(|field| page.contains(&format!("| `{}` |", field.path))));
        assert!(control.revisions.iter().all(|revision| page.contains(&format!("\n- {}: ", revision.since))));
    }
}
