//! `.libtorch`, the link in the checkout's root through which cargo finds libtorch. Not for what it points at.

use std::fs;
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Result};

/// Named in .cargo/config.toml and .gitignore as well.
pub const NAME: &str = ".libtorch";

/// Where the link points, if it points at anything that is there.
pub fn target(root: &Path) -> Option<PathBuf> {
    fs::canonicalize(root.join(NAME)).ok()
}

/// Whether the link is there and points anywhere but at `folder`, be that there or not.
pub fn is_elsewhere(root: &Path, folder: &Path) -> bool {
    fs::read_link(root.join(NAME)).is_ok_and(|before| before != folder)
}

/// Makes the link point at `folder`, in one step.
pub fn point(root: &Path, folder: &Path) -> Result<()> {
    let link = root.join(NAME);
    let before = fs::read_link(&link).ok();
    if before.as_deref() == Some(folder) {
        return Ok(());
    }
    if before.is_none() && link.exists() {
        return Err(Problem::LinkOccupied { link });
    }
    let fresh = root.join(format!("{NAME}.{}", std::process::id()));
    std::os::unix::fs::symlink(folder, &fresh).map_err(Problem::io("linking", &fresh))?;
    fs::rename(&fresh, &link).map_err(Problem::io("linking", &link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_moved_and_a_folder_is_left_alone() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        fs::create_dir_all(&one).expect("a folder");
        assert!(!is_elsewhere(root.path(), &one), "there is no link yet");
        point(root.path(), &one).expect("a new link");
        point(root.path(), &one).expect("the same link");
        assert!(!is_elsewhere(root.path(), &one) && is_elsewhere(root.path(), &two));
        // A dangling link, say after the cache was emptied, is replaced like any other.
        fs::remove_dir(&one).expect("removed");
        assert_eq!(target(root.path()), None);
        point(root.path(), &two).expect("another link");
        assert_eq!(fs::read_link(root.path().join(NAME)).expect("a link"), two);

        fs::remove_file(root.path().join(NAME)).expect("removed");
        fs::create_dir(root.path().join(NAME)).expect("a folder");
        assert!(matches!(point(root.path(), &two), Err(Problem::LinkOccupied { .. })));
    }
}
