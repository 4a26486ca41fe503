// Package mibs has what the MIB groups below it share: readings of the board that are kept for a moment (Machine),
// and numbers of rows that stay (Book).
//
// Each group is a package of its own with a function Groups, as package mib describes; their list is that of
// netsvc/snmp. A group owns the meaning of its objects. It reads the machine through Machine only, so that a walk over
// five tables about interfaces reads them once.
//
// # Rows that keep their number
//
// A management station knows a thing by the index of its row: a graph of interface 5 goes on for years. The kernel
// promises nothing of that kind, so every index of a thing that may come and go is drawn from the Book, which keeps
// it in the store under the thing's name. A row is shown as soon as its number is kept, and not before.
package mibs
