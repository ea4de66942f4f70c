//! How many WebAssembly instructions each filter runs for a request. The same modules
//! and requests give the same numbers, whatever else the machine does.

use std::collections::BTreeMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, ImportSection, Instruction, Module, TypeSection, ValType,
};
use wasmparser::{FunctionBody, ImportSectionReader, Operator, TypeSectionReader};

use crate::chain::Chain;
use crate::instrument::types_of;
use crate::profile::{Mounted, PASSES_TO_STEADY_STATE};
use crate::rewrite::Outline;
use crate::{Unfinished, requests};

/// What one filter ran for one kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The kind of request.
    pub request: &'static str,
    /// The filter's plugin.
    pub filter: String,
    /// What it ran of each function, by its index in the module.
    pub functions: BTreeMap<u32, Ran>,
}

/// What was run of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Instructions, each as often as it was run.
    pub instructions: u64,
    /// Bytes of the module's code that were run at least once: what the machine has to
    /// have at hand.
    pub bytes: u64,
}

impl Counted {
    /// All of them.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.functions.values().map(|ran| ran.instructions).sum()
    }

    /// Bytes of code that were run.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.functions.values().map(|ran| ran.bytes).sum()
    }
}

/// Passes each kind of request through a chain, in the steady state: the plain one
/// first, as often as it takes to fill what is remembered.
///
/// # Errors
/// When a module is not valid, or traps.
pub fn count(chain: &[Mounted]) -> Result<Vec<Counted>, Unfinished> {
    let mut chain = Chain::load(chain, instrument)?;
    let requests = requests::all()?;
    for plain in requests.iter().take(1) {
        for _ in 0..PASSES_TO_STEADY_STATE {
            chain.pass(plain)?;
        }
    }
    let mut counted = Vec::new();
    for request in &requests {
        for (_, module) in &mut chain.filters {
            module.proxy().take_counted();
        }
        chain.pass(request)?;
        for (name, module) in &mut chain.filters {
            let mut functions: BTreeMap<u32, Ran> = BTreeMap::new();
            for (run, instructions) in module.proxy().take_counted() {
                let ran = functions.entry(run.function).or_default();
                ran.instructions += instructions;
                ran.bytes += u64::from(run.bytes);
            }
            counted.push(Counted { request: request.what, filter: name.clone(), functions });
        }
    }
    Ok(counted)
}

/// Makes each straight run of instructions tell [`postern_module::COUNT`] first how long
/// it is.
///
/// # Errors
/// When it is no valid module, or imports nothing.
pub fn instrument(wasm: &[u8]) -> Result<Vec<u8>, Unfinished> {
    let imported = Outline::of(wasm)?.imported;
    let types = types_of(wasm)?;
    let mut module = Module::new();
    let mut counting = Counting { imported, types, function: imported };
    counting.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm)?;
    Ok(module.finish())
}

struct Counting {
    imported: u32,
    types: u32,
    /// The next one, by its index in the module that was.
    function: u32,
}

impl Reencode for Counting {
    type Error = Infallible;

    /// The new import is the last one.
    fn function_index(&mut self, function: u32) -> u32 {
        function.saturating_add(u32::from(function >= self.imported))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        reader: TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, reader)?;
        types.ty().function([ValType::I32; 4], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        reader: ImportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_import_section(self, imports, reader)?;
        imports.import("env", postern_module::COUNT, EntityType::Function(self.types));
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Infallible>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let operators: Vec<(Operator<'_>, usize)> =
            body.get_operators_reader()?.into_iter_with_offsets().collect::<Result<_, _>>()?;
        let mut rest = operators.as_slice();
        let word = |n: usize| Instruction::I32Const(i32::try_from(n).unwrap_or(i32::MAX));
        while !rest.is_empty() {
            let run = rest.iter().position(|(op, _)| ends_a_run(op));
            let run = run.map_or(rest.len(), |at| at + 1);
            let (run, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
            let begins = run.first().map_or(0, |(_, at)| *at);
            let ends = after.first().map_or(body.range().end, |(_, at)| *at);
            function.instruction(&Instruction::I32Const(self.function.cast_signed()));
            function.instruction(&word(begins));
            function.instruction(&word(ends.saturating_sub(begins)));
            function.instruction(&word(run.len()));
            function.instruction(&Instruction::Call(self.imported));
            for (operator, _) in run {
                function.instruction(&self.instruction(operator.clone())?);
            }
            rest = after;
        }
        self.function += 1;
        code.function(&function);
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        Ok(())
    }
}

/// After these another instruction may follow than the next one, or the next one may
/// be reached from elsewhere.
fn ends_a_run(operator: &Operator<'_>) -> bool {
    use Operator::{Block, Br, BrIf, BrTable, Else, End, If, Loop, Return, Unreachable};
    matches!(
        operator,
        Block { .. }
            | Loop { .. }
            | If { .. }
            | Else
            | End
            | Br { .. }
            | BrIf { .. }
            | BrTable { .. }
            | Return
            | Unreachable
    )
}
