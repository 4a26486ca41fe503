// Package archtest holds the house rules that a machine can check: which folder may import which, what may go
// onto the device, how long a file may be, what a package must say about itself.
//
// The rules are data in rules_test.go; the other files only read the tree and compare. A rule that has to give
// way gets a line with a reason there, so that every exception is visible in one place. The package owns no
// behaviour of the product and is never linked into it.
package archtest
