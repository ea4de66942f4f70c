//! What is wrong, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use postern_core::config::{Errors, Span};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was named on the command line.
    pub file: PathBuf,
    /// Where in it; from 0:0 when it concerns the file as a whole.
    pub span: Span,
    /// The path in the document; empty for the root.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Finding {
    /// About a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Finding {
            file: file.to_owned(),
            span: Span::default(),
            path: String::new(),
            message: message.into(),
        }
    }

    /// The mistakes of one document, in the order of its lines.
    #[must_use]
    pub fn all_of(file: &Path, errors: &Errors) -> Vec<Finding> {
        let mut findings: Vec<Finding> = errors
            .problems()
            .iter()
            .map(|p| Finding {
                file: file.to_owned(),
                span: p.span,
                path: p.path.clone(),
                message: p.message.clone(),
            })
            .collect();
        findings.sort_by_key(|f| f.span.start);
        findings
    }
}

impl fmt::Display for Finding {
    /// `file:line:column: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        let start = self.span.start;
        if start.line > 0 {
            write!(f, "{}:{}:", start.line, start.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)
    }
}
