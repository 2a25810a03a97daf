//! Names that explanations use and policies know: of calls, their arguments, and programs.
//!
//! Whoever judges an [`Explain`](crate::Explain) compares with these, so that nobody's spelling is another one.

/// How the CAIP-2 ids of Ethereum and the chains that run like it begin.
pub const ETHEREUM: &str = "eip155:";

/// The call that gives tokens of the caller to somebody.
pub const TRANSFER: &str = "transfer";
/// The call that gives tokens of whoever allows it to somebody.
pub const TRANSFER_FROM: &str = "transferFrom";
/// The call that lets somebody take tokens of the caller, later and without asking.
pub const APPROVE: &str = "approve";
/// The argument of [`APPROVE`]: who may take them.
pub const SPENDER: &str = "spender";
/// The argument of [`APPROVE`]: how many.
pub const AMOUNT: &str = "amount";

/// The calls of Ethereum's token contracts (ERC-20) that are explained, each with the four bytes with which its data begins: of
/// the hashes of `transfer(address,uint256)`, `transferFrom(address,address,uint256)` and `approve(address,uint256)`.
pub const TOKEN_CALLS: [(&str, [u8; 4]); 3] = [
    (TRANSFER, [0xA9, 0x05, 0x9C, 0xBB]),
    (TRANSFER_FROM, [0x23, 0xB8, 0x72, 0xDD]),
    (APPROVE, [0x09, 0x5E, 0xA7, 0xB3]),
];

/// The standard of Ethereum's tokens.
pub const ERC_20: &str = "erc-20";
/// The standard of Solana's tokens, and the program that keeps them.
pub const SPL_TOKEN: (&str, &str) = ("spl-token", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// The same of tokens with extensions.
pub const TOKEN_2022: (&str, &str) = ("token-2022", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// Solana's program that limits and prices what a transaction computes.
pub const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
/// Solana's programs of memos, the present one and the one before.
pub const MEMOS: [&str; 2] =
    ["MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"];
/// The call that makes a durable nonce a new one.
pub const ADVANCE_NONCE: &str = "advance nonce";

/// What stands in place of a program where an output of Bitcoin carries data.
pub const OP_RETURN: &str = "OP_RETURN";
