// Package store keeps the appliance's rows: the tables that services declare (package table), in two bbolt files.
// linnet.db is durable, backed up and restored; cache.db is not synced and begins empty when it cannot be trusted.
//
// The store owns the files, their writers, the order of keys and whatever is derived from rows (indexes, expiry). It does
// not know what rows mean, and it decides nothing about XMPP.
//
// # Writing
//
// Writes are data: a Batch of puts, deletes, range deletes and preconditions, handed over by Submit, which never blocks.
// Each file has one writer, a goroutine that is there only while work waits. It commits all batches that gathered while
// its last commit was under way in one transaction, or at most every Options.CommitEvery. Batches are evaluated one after
// another; a failed precondition drops that batch alone. done functions run on the writer in the order of submission.
// What is in flight is counted in bytes, and Wait lets a submitter feel the disk.
//
// Within a transaction changes are applied in the order of keys, and of several changes to one row the last is written;
// index entries that stay the same are not touched. A range of more than some thousand rows is removed for every reader
// with the commit of its batch, and taken out of the file over several transactions (ranges.go).
//
// # Reading
//
// View is a short read transaction over one state of a file. It never waits for a commit. A page that cannot be read
// makes it return an ErrDamaged; it does not end the process. Views do not nest.
//
// # When something fails
//
// After a failed commit its batches get the error, and nothing is acknowledged until the file was closed, dropped from
// the page cache, checked, opened and written to again (file.reopen); Views go on meanwhile. A batch whose commit failed
// may be in the file nevertheless, if the sync failed after the write: the owner has to read. bbolt panics within its own
// goroutine when it meets a damaged page while it rolls a failed commit back; only a restart, with its check, helps then.
//
// Close writes the list of free pages into the file; a file without it was in use when its writer ended, and is checked at
// the next Open (by a child process where Options.CheckCommand says how). A damaged file is set aside and the newest good
// snapshot takes its place, with a new incarnation.
//
// # Layout
//
// Each table is one bbolt bucket, each index another ("roster", "roster/group"); a migration writes a new generation beside
// the old one ("roster#1") and exchanges them in one transaction. A value is preceded by its version (8 bytes) and its
// expiry (4 bytes) where the table asks for them. An index entry is the index key followed by the row's key. The store's
// own buckets begin with '~'. Numbers of the store are big endian; bbolt's own are in the byte order of the machine, so a
// file does not move between mips and the rest. The format is bbolt's version 2 (go.etcd.io/bbolt v1.5.0).
//
// # Flash
//
// The file is written in pages of 4096 bytes. A commit writes the changed leaf of each table, the pages above it, the
// root page and a meta page, with two syncs: 8 to 12 KB for one row of a small table, 20 to 24 KB in a table of 200,000
// rows (bbolt with its defaults: 20 KB and, with a used file's list of free pages, 85 KB). In groups it is far less: 300
// bytes for each archived row of 200 bytes when thousands share a commit. A commit every second comes to 1 to 2 GB a day,
// one every 300 ms under constant load to 3 to 6: Stats has the count. Growing costs a truncate and a sync each time the
// file is full, a sixteenth of its size apart; the file begins with 150 KB.
//
// Measured on amd64, in a virtual machine with two cores: 2.1 µs of CPU for a batch of one row of 200 bytes (400,000
// batches/s), 2.7 µs for a View with one Get, 0.1 ms to open a file of 16 MB that was closed in order, 40 ms to check 100
// MB, 15 KB of heap and no goroutine for an idle store of 40 tables.
package store
