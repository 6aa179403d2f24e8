//! Links in Markdown lead to files that are there. Addresses in the net are not visited: tests use no network.

use std::fs;

use crate::{assert_none, our_files, root};

#[test]
fn links_lead_somewhere() {
    let mut complaints = Vec::new();
    for path in our_files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(root().join(&path)).expect("a text file of the checkout");
        let folder = root().join(&path).parent().expect("a file has a folder").to_path_buf();
        let dead = file_links(&text).into_iter().filter(|link| !folder.join(link).exists());
        complaints.extend(dead.map(|link| format!("{}: the link to {link} leads nowhere", path.display())));
    }
    assert_none(&complaints);
}

#[test]
fn links_are_found_but_not_in_code() {
    let text = "see [this](docs/a.md#part), ![that](b.png \"a rose\") and [there](https://example.org/c.md), [here](#d)\n\
                ```\n[not](e.md)\n```\n`[nor](f.md)` <img src=\"g.svg\">\n[it]: h.md\n";
    assert_eq!(file_links(text), ["docs/a.md", "b.png", "g.svg", "h.md"]);
}

/// The targets of links and pictures that are files, without their anchors and titles.
fn file_links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every other part between backquotes is code.
        let prose: String = line.split('`').step_by(2).collect();
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let ends = prose.split(opening).skip(1).filter_map(|rest| rest.split(closing).next());
            links.extend(ends.filter_map(file_of));
        }
        if let Some((_, target)) = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.extend(file_of(target));
        }
    }
    links
}

fn file_of(target: &str) -> Option<String> {
    let target = target.split_whitespace().next()?.split('#').next()?;
    let is_address = target.contains("://") || target.starts_with("mailto:");
    (!target.is_empty() && !is_address).then(|| target.to_owned())
}
