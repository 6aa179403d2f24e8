//! The four texts that rules R8 and R9 ask for: from a recipe, or from a file of their own.
//! Not here: whether they say enough (the rules decide).

use std::path::Path;

use super::about::Explanation;
use crate::recipe::{Recipe, RecipeError, decode, parse, read_small_text};

/// What to write where the explanation is refused.
pub const TEMPLATE: &str = r#"method = "What is trained, and how it differs from what is known."
based_on = ["Paper, notebook or recipe that a part comes from (address): which part"]
why = "Why this should be better than what it is based on, in a sentence."
data_note = "How its examples are produced: TFRecords read directly, or what was written to disk before."
"#;

impl Explanation {
    /// A recipe's own.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            method: recipe.method.clone(),
            based_on: recipe.based_on.clone(),
            why: recipe.why.clone(),
            data_note: recipe.data_note.clone(),
        }
    }

    /// From a TOML file with these four keys.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let file = path.display().to_string();
        decode(&file, &parse(&file, &read_small_text(path)?)?)
    }

    /// The recipe as the rules are to read it: with these words.
    pub fn put_into(&self, recipe: &Recipe) -> Recipe {
        Recipe {
            method: self.method.clone(),
            based_on: self.based_on.clone(),
            why: self.why.clone(),
            data_note: self.data_note.clone(),
            ..recipe.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Origin, Rules, Verdict, check};

    #[test]
    fn the_template_is_a_file_that_can_be_given_and_that_the_rules_take() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let path = place.path().join("why.toml");
        std::fs::write(&path, TEMPLATE).expect("writable");
        let explanation = Explanation::read(&path).expect("the template is valid");
        let recipe = explanation.put_into(&Recipe::load("seedling", &[]).expect("embedded"));
        let findings = check(&Rules::fastgarden(), &recipe, &[1, 2, 3], &Origin::Initialised);
        assert_eq!([findings[7].verdict, findings[8].verdict], [Verdict::Pass; 2]);
        assert_eq!(Explanation::of(&recipe), explanation);
    }

    #[test]
    fn a_wrong_key_is_told_with_its_line() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let path = place.path().join("why.toml");
        std::fs::write(&path, TEMPLATE.replace("why =", "way =")).expect("writable");
        let told = Explanation::read(&path).expect_err("an unknown key").to_string();
        assert!(told.contains("why.toml:3") && told.contains("way"), "{told}");
    }
}
