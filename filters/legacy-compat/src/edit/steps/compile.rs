//! From the policy to steps.

use std::rc::Rc;

use postern_core::config::Errors;

use super::{Step, Steps};
use crate::blueprint::Captures;
use crate::edit::path::{Path, Step as PathStep};
use crate::edit::policy::{
    CaseOfKeysPolicy, ConvertAtPolicy, MovePolicy, PickPolicy, RenamePolicy, SetPolicy, StepPolicy,
    UnwrapPolicy, WrapPolicy,
};
use crate::expression::Names;
use crate::place::Located;
use crate::template::Compiler;
use crate::value::Conversion;

/// The most steps of one edit: how deep and how long it makes a document is bounded so.
const MOST: usize = 64;

impl Steps {
    /// Compiles them.
    pub(in crate::edit) fn compile(
        policies: &[Located<StepPolicy>],
        captures: Option<&Captures>,
        compiler: &mut Compiler<'_>,
        names: &Names,
        errors: &mut Errors,
    ) -> Self {
        if let Some(first) = policies.get(MOST) {
            first.error(errors, format!("expected at most {MOST} steps"));
        }
        let mut steps = Vec::new();
        for policy in policies {
            match &policy.value {
                StepPolicy::Rename(RenamePolicy { from, to }) => {
                    member(from, errors);
                    steps.push(Step::Rename(from.value.clone(), to.clone()));
                }
                StepPolicy::Move(MovePolicy { from, to, before }) => {
                    check_move(from, to, errors);
                    let (from, to) = (from.value.clone(), to.value.clone());
                    steps.push(Step::Move(from, to, before.clone()));
                }
                StepPolicy::Remove(paths) => {
                    paths.iter().for_each(|path| member(path, errors));
                    steps.extend(paths.iter().map(|path| Step::Remove(path.value.clone())));
                }
                StepPolicy::DropNull(paths) => {
                    for path in paths.iter().filter(|path| path.value.steps().is_empty()) {
                        path.error(errors, "expected a path to members or items");
                    }
                    steps.extend(paths.iter().map(|path| Step::DropNull(path.value.clone())));
                }
                StepPolicy::Set(policy) => {
                    steps.extend(set(policy, true, captures, compiler, errors));
                }
                StepPolicy::Default(policy) => {
                    steps.extend(set(policy, false, captures, compiler, errors));
                }
                StepPolicy::Wrap(WrapPolicy { at, r#in }) => {
                    steps.push(Step::Wrap(at.value.clone(), r#in.clone()));
                }
                StepPolicy::Unwrap(UnwrapPolicy { at, member }) => {
                    steps.push(Step::Unwrap(at.value.clone(), member.clone()));
                }
                StepPolicy::Convert(ConvertAtPolicy { at, to }) => {
                    if let Some(list) = crate::edit::conversions(to, names, errors) {
                        let list: Rc<[Conversion]> = list.into();
                        let convert =
                            |path: &Located<Path>| Step::Convert(path.value.clone(), list.clone());
                        steps.extend(at.iter().map(convert));
                    }
                }
                StepPolicy::Case(CaseOfKeysPolicy { at, to, deep }) => {
                    steps.extend(at.iter().map(|at| Step::Case(at.value.clone(), *to, *deep)));
                }
                StepPolicy::Pick(PickPolicy { at, members }) => {
                    steps.push(Step::Pick(at.value.clone(), members.clone()));
                }
            }
        }
        Steps(steps)
    }
}

/// A step on a member has to name one.
fn member(path: &Located<Path>, errors: &mut Errors) {
    if path.value.member().is_none() {
        path.error(errors, "expected a path that ends with a name");
    }
}

fn check_move(from: &Located<Path>, to: &Located<Path>, errors: &mut Errors) {
    member(from, errors);
    member(to, errors);
    let (_, left, right) = from.value.fork(&to.value);
    if left.is_empty() {
        to.error(errors, "a value cannot be moved into itself: that is `wrap`");
    } else if right.is_empty() {
        to.error(errors, "a value cannot take the place of what it is in: that is `unwrap`");
    }
    for (path, rest) in [(from, left), (to, right)] {
        if rest.contains(&PathStep::Each) {
            path.error(errors, "behind what both paths begin with there can be no `*`");
        }
    }
}

fn set(
    policy: &SetPolicy,
    always: bool,
    captures: Option<&Captures>,
    compiler: &mut Compiler<'_>,
    errors: &mut Errors,
) -> Option<Step> {
    let SetPolicy { at, to, before } = policy;
    member(at, errors);
    let template = compiler.template(to, errors)?;
    crate::cases::check_captures(&template, to, captures, errors);
    template.visit(&mut |expression| {
        if expression.reads_root() {
            to.error(errors, "`$root` has no place in an edit: paths begin at the object");
        }
    });
    let (at, before) = (at.value.clone(), before.clone());
    Some(Step::Set { at, to: template.into(), before, always })
}
