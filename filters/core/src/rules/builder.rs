//! Makes a set of rules, one at a time.

use std::rc::Rc;

use crate::matcher::hash::Equal;
use crate::matcher::{Trie, Writing};
use crate::template::{Pattern, Template};

use super::applies::Rest;
use super::{Entry, Match, NONE, Number, Rules};

/// Rules that are still to be indexed. Adding one costs the same among ten and among
/// ten thousand; so a large set can be made in slices.
#[derive(Debug)]
pub struct Builder<T> {
    rules: Vec<Entry<T>>,
    trie: Trie,
    /// All rules were added: the index that is written out of that.
    writing: Option<Writing>,
    templates: Vec<Option<Rc<Template>>>,
    /// What many rules have is kept once.
    shared: Shared,
}

#[derive(Debug, Default)]
struct Shared {
    rests: Equal<Rest>,
    templates: Equal<Template>,
    patterns: Equal<Pattern>,
}

impl<T> Default for Builder<T> {
    fn default() -> Self {
        Builder {
            rules: Vec::new(),
            trie: Trie::default(),
            writing: None,
            templates: Vec::new(),
            shared: Shared::default(),
        }
    }
}

impl<T> Builder<T> {
    /// Adds the next rule.
    pub fn push(&mut self, applies_to: Match, rule: T) {
        self.trie.add(&applies_to);
        let (paths, rest) = applies_to.split();
        let rest = rest.map(|rest| self.shared.rests.one(rest));
        let mut templates = NONE;
        if paths.iter().any(|template| template.names().next().is_some()) {
            templates = u32::try_from(self.templates.len()).unwrap_or(NONE);
            for template in paths {
                let kept = template.names().next().is_some();
                self.templates.push(kept.then(|| self.shared.template(template)));
            }
        }
        self.rules.push(Entry { rule, rest, templates });
    }

    /// No rule is added any more: writes so many places of the index. Are there more?
    pub fn write(&mut self, count: usize) -> bool {
        match &mut self.writing {
            Some(writing) => writing.write(count),
            None => {
                // The nodes are brought into order, which is a pass over all of them.
                self.writing = Some(std::mem::take(&mut self.trie).write());
                true
            }
        }
    }

    /// Compiles the index.
    #[must_use]
    pub fn finish(self) -> Rules<T> {
        let Builder { mut rules, trie, writing, mut templates, shared: _ } = self;
        rules.shrink_to_fit();
        templates.shrink_to_fit();
        let index = writing.unwrap_or_else(|| trie.write()).finish();
        Rules { number: Number::new(), rules, index, templates }
    }
}

impl Shared {
    fn template(&mut self, mut template: Template) -> Rc<Template> {
        for pattern in template.patterns_mut() {
            *pattern = self.patterns.one(pattern.clone());
        }
        self.templates.one(template)
    }
}
