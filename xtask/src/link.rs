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

/// Makes the link point at `folder`, in one step; true if it pointed elsewhere before.
pub fn point(root: &Path, folder: &Path) -> Result<bool> {
    let link = root.join(NAME);
    let before = fs::read_link(&link).ok();
    if before.as_deref() == Some(folder) {
        return Ok(false);
    }
    if before.is_none() && link.exists() {
        return Err(Problem::LinkOccupied { link });
    }
    let fresh = root.join(format!("{NAME}.{}", std::process::id()));
    std::os::unix::fs::symlink(folder, &fresh).map_err(Problem::io("linking", &fresh))?;
    fs::rename(&fresh, &link).map_err(Problem::io("linking", &link))?;
    Ok(before.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_moved_and_a_folder_is_left_alone() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        fs::create_dir_all(&one).expect("a folder");
        assert!(!point(root.path(), &one).expect("a new link"));
        assert!(!point(root.path(), &one).expect("the same link"));
        // A dangling link, say after the cache was emptied, is replaced like any other.
        fs::remove_dir(&one).expect("removed");
        assert_eq!(target(root.path()), None);
        assert!(point(root.path(), &two).expect("another link"));
        assert_eq!(fs::read_link(root.path().join(NAME)).expect("a link"), two);

        fs::remove_file(root.path().join(NAME)).expect("removed");
        fs::create_dir(root.path().join(NAME)).expect("a folder");
        assert!(matches!(point(root.path(), &two), Err(Problem::LinkOccupied { .. })));
    }
}
