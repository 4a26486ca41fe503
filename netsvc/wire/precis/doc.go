// Package precis prepares and compares the internationalized strings that identify people: the profiles
// UsernameCaseMapped and OpaqueString of RFC 8265, over the two classes of the PRECIS framework (RFC 8264), with the
// contextual rules of RFC 5892 appendix A.
//
// golang.org/x/text/secure/precis does the same and is the oracle of this package's tests, over every code point; but it
// brings the case mappings of all languages along, which is 60 KB of flash that an address never needs. What is ours are
// one table of ranges (tables.go, which the tests write), the mapping of width and case, and the contextual rules.
// Normalization and the bidi rule are those of golang.org/x/text.
//
// There are two known differences. The bidi rule is for strings that have right-to-left characters (RFC 8265 section
// 3.3.2); the oracle holds others against it, too, if they are not ASCII, and refuses 1é. And a joining run may go on through a transparent character that is a virama, or a Greek or
// Hebrew mark, as RFC 5892 appendix A.1 has it; the oracle ends it there and refuses the string.
package precis
