// Package toml reads configuration text: TOML v1.0.0, as a flat list of what
// stands where, with line numbers, so that every mistake in a file can be reported
// with its place.
//
// It is ours, and not one of the libraries there are, for two reasons: on a 32-bit
// MIPS board the usual one costs 90 KB of flash, and it tells the line of a value
// only in errors. The usual one is the oracle of the tests: what this package
// accepts, it reads the same way.
//
// Not kept, though checked: the contents of arrays of tables ([[name]]), which
// nothing here uses; dates and times are texts of type Date.
package toml
