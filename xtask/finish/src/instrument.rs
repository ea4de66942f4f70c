//! A copy of a module that tells which functions it enters, and which way its
//! branches go.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, ImportSection, Instruction, Module, TypeSection, ValType,
};
use wasmparser::{
    CustomSectionReader, FunctionBody, ImportSectionReader, Parser, Payload, TypeSectionReader,
};

use crate::Unfinished;
use crate::rewrite::Outline;

type Rewritten = Result<(), Error<Infallible>>;

/// Makes each function call [`postern_module::ENTER`] first, with its index in
/// `wasm`, and pass each condition through [`postern_module::BRANCH`].
///
/// # Errors
/// When it cannot be read, or imports nothing: then there is no place for one more
/// import, nor a proxy that could run it.
pub fn instrument(wasm: &[u8]) -> Result<Vec<u8>, Unfinished> {
    let imported = Outline::of(wasm)?.imported;
    let types = types_of(wasm)?;
    let mut module = Module::new();
    Watched { imported, types, function: imported }.parse_core_module(
        &mut module,
        Parser::new(0),
        wasm,
    )?;
    Ok(module.finish())
}

/// How many types a module has.
///
/// # Errors
/// When it cannot be read, or imports nothing.
pub(crate) fn types_of(wasm: &[u8]) -> Result<u32, Unfinished> {
    let (mut types, mut imports) = (0, false);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(reader) => {
                for group in reader {
                    types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                }
            }
            Payload::ImportSection(_) => imports = true,
            _ => {}
        }
    }
    if !imports {
        return Err(Unfinished("a module that imports nothing cannot be watched".to_owned()));
    }
    Ok(types)
}

/// The instructions that take a hint on their condition.
pub(crate) fn is_branch(instruction: &Instruction<'_>) -> bool {
    matches!(instruction, Instruction::If(_) | Instruction::BrIf(_))
}

struct Watched {
    imported: u32,
    types: u32,
    /// The next one, by its index in the module that was.
    function: u32,
}

impl Reencode for Watched {
    type Error = Infallible;

    /// The new imports are the last ones.
    fn function_index(&mut self, function: u32) -> u32 {
        function.saturating_add(if function >= self.imported { 2 } else { 0 })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        reader: TypeSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_type_section(self, types, reader)?;
        types.ty().function([ValType::I32], []);
        types.ty().function([ValType::I32; 3], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        reader: ImportSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_import_section(self, imports, reader)?;
        imports.import("env", postern_module::ENTER, EntityType::Function(self.types));
        imports.import("env", postern_module::BRANCH, EntityType::Function(self.types + 1));
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Rewritten {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        function.instruction(&Instruction::I32Const(self.function.cast_signed()));
        function.instruction(&Instruction::Call(self.imported));
        let mut branch = 0;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            if is_branch(&instruction) {
                function.instruction(&Instruction::I32Const(self.function.cast_signed()));
                function.instruction(&Instruction::I32Const(branch));
                function.instruction(&Instruction::Call(self.imported + 1));
                branch += 1;
            }
            function.instruction(&instruction);
        }
        self.function += 1;
        code.function(&function);
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Rewritten {
        Ok(())
    }
}
