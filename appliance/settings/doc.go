// Package settings brings the operator's file to the options that the services declared.
//
// The file is TOML 1.0. Reading it has two halves: Read takes the text apart into entries with their
// lines, Apply matches them against a config.Schema. Nothing starts before both are through, and every
// problem of one file is reported at once, with its line, its section and the nearest name that would
// have been right.
//
// The package also writes what follows from a Schema: the commented sample and the listing of values with
// the layer that each came from. It owns neither the options nor their types: those are netsvc/config's.
package settings
