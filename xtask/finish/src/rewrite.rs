//! A module written anew: fewer exports, no dead functions, another order, hints.

use std::collections::BTreeMap;
use std::convert::Infallible;

use postern_module::Branch;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    BranchHint, BranchHints, CodeSection, ExportSection, FunctionSection, ImportSection, Module,
    NameMap, NameSection, SectionId,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Export, FunctionBody, FunctionSectionReader,
    ImportSectionReader, KnownCustom, Name, Parser, Payload, TypeRef, Validator,
};

use crate::Unfinished;
use crate::exports::Exports;
use crate::instrument::is_branch;

type Rewritten = Result<(), Error<Infallible>>;

/// Custom sections that say who made a module, and for what.
const KEPT_SECTIONS: [&str; 2] = ["producers", "target_features"];

/// Writes a module anew:
///
/// - Exports named `postern_on_…` become `proxy_on_…`, and every other `proxy_on_…`
///   goes but `proxy_on_memory_allocate`. In a module without any, only those
///   go that no proxy calls on a filter of HTTP.
/// - Functions that nothing reaches any more go, imported ones too. What an element
///   segment holds counts as reached.
/// - Of the others, those in `hot` come first, in that order; they are named by
///   their indices in `wasm`, imports counted. The rest keeps its order.
/// - The branches in `likely` get hints (the standard's section
///   `metadata.code.branch_hint`), so that the proxy's compiler can put what
///   does not happen out of the way.
/// - Of the custom sections, `producers` and `target_features` stay.
///
/// # Errors
/// When `wasm` is no valid module, `hot` names a function that it does not have, or
/// the result would not be valid.
pub fn finish(wasm: &[u8], profile: &Profile) -> Result<Vec<u8>, Unfinished> {
    finish_with(wasm, profile, Names::Left)
}

/// What is known of how a module is used; functions by their indices in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The functions that come first.
    pub hot: Vec<u32>,
    /// Of branches, by function and place in it: was the condition true, or false,
    /// whenever it was seen, or nearly so?
    pub likely: BTreeMap<Branch, bool>,
}

/// What becomes of the names of functions, where a module has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// They go.
    Left,
    /// They stay, for profilers.
    Kept,
}

/// [`finish`], with a word on names.
///
/// # Errors
/// As there.
pub fn finish_with(wasm: &[u8], profile: &Profile, names: Names) -> Result<Vec<u8>, Unfinished> {
    Validator::new().validate_all(wasm)?;
    let outline = Outline::of(wasm)?;
    if let Some(unknown) = profile.hot.iter().find(|f| **f >= outline.functions()) {
        let count = outline.functions();
        return Err(Unfinished(format!("no function {unknown}: the module has {count}")));
    }
    let reached = Uses::of(wasm, &outline)?.reached();
    let mut writer = Writer::new(&outline, &reached, profile, names);
    // Hints stand before the code, and say where in the new code the branches are.
    let mut module = Module::new();
    writer.parse_core_module(&mut module, Parser::new(0), wasm)?;
    if !writer.hints.is_empty() {
        writer.hints_are_known = true;
        module = Module::new();
        writer.parse_core_module(&mut module, Parser::new(0), wasm)?;
    }
    let written = module.finish();
    Validator::new().validate_all(&written)?;
    Ok(written)
}

/// What has to be known of a module before it is written anew.
pub(crate) struct Outline {
    /// How many functions are imported; their indices come first.
    pub(crate) imported: u32,
    /// The type of each of the others.
    types: Vec<u32>,
    exports: Exports,
}

impl Outline {
    pub(crate) fn of(wasm: &[u8]) -> Result<Self, Unfinished> {
        let (mut imported, mut types, mut names) = (0, Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader {
                        imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(reader) => {
                    types = reader.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        names.push(export?.name);
                    }
                }
                _ => {}
            }
        }
        Ok(Outline { imported, types, exports: Exports::of(names) })
    }

    fn functions(&self) -> u32 {
        self.imported.saturating_add(u32::try_from(self.types.len()).unwrap_or(u32::MAX))
    }
}

fn export(writer: &mut impl Reencode, names: Exports, to: &mut ExportSection, of: Export<'_>) {
    if let Some(name) = names.name(of.name) {
        let index = writer.external_index(of.kind, of.index);
        to.export(&name, writer.export_kind(of.kind), index);
    }
}

/// Who uses which functions. It writes the module too, for nothing: so it sees
/// every place where an index stands.
struct Uses<'m> {
    outline: &'m Outline,
    /// By exports, the start, segments and globals.
    roots: Vec<u32>,
    /// By each function that is not imported.
    calls: Vec<Vec<u32>>,
    within: Option<Vec<u32>>,
}

impl<'m> Uses<'m> {
    fn of(wasm: &[u8], outline: &'m Outline) -> Result<Self, Unfinished> {
        let mut uses = Uses { outline, roots: Vec::new(), calls: Vec::new(), within: None };
        uses.parse_core_module(&mut Module::new(), Parser::new(0), wasm)?;
        Ok(uses)
    }

    /// By index: does something reach it?
    fn reached(self) -> Vec<bool> {
        let mut reached = vec![false; self.outline.functions() as usize];
        let mut open = self.roots;
        while let Some(function) = open.pop() {
            let Some(seen) = reached.get_mut(function as usize) else { continue };
            if !std::mem::replace(seen, true) {
                let defined = function.checked_sub(self.outline.imported);
                let calls = defined.and_then(|at| self.calls.get(at as usize));
                open.extend(calls.into_iter().flatten());
            }
        }
        reached
    }
}

impl Reencode for Uses<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> u32 {
        self.within.as_mut().unwrap_or(&mut self.roots).push(function);
        function
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Rewritten {
        self.within = Some(Vec::new());
        wasm_encoder::reencode::utils::parse_function_body(self, code, body)?;
        self.calls.extend(self.within.take());
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) {
        let names = self.outline.exports;
        self::export(self, names, exports, export);
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Rewritten {
        Ok(())
    }
}

struct Writer<'m> {
    outline: &'m Outline,
    profile: &'m Profile,
    /// The places, among the functions that are not imported, of those that stay.
    order: Vec<usize>,
    /// The new index of each function that stays.
    indices: Vec<Option<u32>>,
    names: Names,
    /// Where the branches in `profile` are, by the new function.
    hints: Vec<(u32, Vec<BranchHint>)>,
    hints_are_known: bool,
}

impl<'m> Writer<'m> {
    fn new(outline: &'m Outline, reached: &[bool], profile: &'m Profile, names: Names) -> Self {
        let mut indices = vec![None; reached.len()];
        let mut next = 0;
        let mut take = |function: usize| {
            let stays = reached.get(function) == Some(&true);
            match indices.get_mut(function) {
                Some(index @ None) if stays => *index = Some(next),
                _ => return false,
            }
            next += 1;
            true
        };
        let imported = outline.imported as usize;
        for function in 0..imported {
            take(function);
        }
        let hot = profile.hot.iter().map(|function| *function as usize);
        let order = hot
            .chain(imported..reached.len())
            .filter(|function| take(*function))
            .map(|function| function.saturating_sub(imported))
            .collect();
        let (hints, hints_are_known) = (Vec::new(), false);
        Writer { outline, profile, order, indices, names, hints, hints_are_known }
    }

    fn stays(&self, function: u32) -> Option<u32> {
        self.indices.get(function as usize).copied().flatten()
    }

    fn name_section(
        &mut self,
        names: wasmparser::NameSectionReader<'_>,
    ) -> Result<NameSection, Error<Infallible>> {
        let mut section = NameSection::new();
        for part in names {
            match part? {
                Name::Module { name, .. } => section.module(name),
                Name::Function(list) => {
                    let mut stay = Vec::new();
                    for naming in list {
                        let naming = naming?;
                        stay.extend(self.stays(naming.index).map(|index| (index, naming.name)));
                    }
                    stay.sort_unstable();
                    let mut map = NameMap::new();
                    for (index, name) in stay {
                        map.append(index, name);
                    }
                    section.functions(&map);
                }
                _ => {}
            }
        }
        Ok(section)
    }
}

impl Reencode for Writer<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> u32 {
        // Whatever stays uses only what stays; else the result is not valid.
        self.stays(function).unwrap_or(u32::MAX)
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        reader: ImportSectionReader<'_>,
    ) -> Rewritten {
        let mut function = 0;
        for import in reader {
            let import = import?;
            let mut stays = true;
            if matches!(import.ty, TypeRef::Func(_)) {
                stays = self.stays(function).is_some();
                function += 1;
            }
            if stays {
                self.parse_import(imports, import)?;
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Rewritten {
        for kind in self.order.iter().filter_map(|at| self.outline.types.get(*at)) {
            functions.function(*kind);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        reader: CodeSectionReader<'_>,
    ) -> Rewritten {
        let bodies = reader.into_iter().collect::<Result<Vec<_>, _>>()?;
        let order = std::mem::take(&mut self.order);
        self.hints.clear();
        for (at, body) in order.iter().filter_map(|at| Some((*at, bodies.get(*at)?))) {
            let was = self.outline.imported.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            let mut function = self.new_function_with_parsed_locals(body)?;
            let (mut branch, mut hints) = (0, Vec::new());
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                let instruction = self.parse_instruction(&mut operators)?;
                if is_branch(&instruction) {
                    if let Some(likely) = self.profile.likely.get(&(was, branch)) {
                        hints.push(BranchHint {
                            branch_func_offset: u32::try_from(function.byte_len())
                                .unwrap_or(u32::MAX),
                            branch_hint_value: u32::from(*likely),
                        });
                    }
                    branch += 1;
                }
                function.instruction(&instruction);
            }
            code.function(&function);
            if let Some(now) = self.stays(was).filter(|_| !hints.is_empty()) {
                self.hints.push((now, hints));
            }
        }
        self.order = order;
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Rewritten {
        if self.hints_are_known && before == Some(SectionId::Code) {
            let mut section = BranchHints::new();
            for (function, hints) in &self.hints {
                section.function_hints(*function, hints.iter().copied());
            }
            module.section(&section);
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) {
        let names = self.outline.exports;
        self::export(self, names, exports, export);
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Rewritten {
        if KEPT_SECTIONS.contains(&section.name()) {
            module.section(&self.custom_section(section));
        } else if let KnownCustom::Name(names) = section.as_known()
            && self.names == Names::Kept
        {
            module.section(&self.name_section(names)?);
        }
        Ok(())
    }
}
