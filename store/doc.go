// Package store keeps the appliance's rows: tables declared by the services, in two bbolt files. linnet.db is durable
// and backed up; cache.db is not synced and is deleted when it is damaged.
//
// Writes are data: a Batch of puts, deletes, range deletes and preconditions is submitted, and one writer per file
// commits whatever gathered while its last commit was under way. Reads are short transactions (View). The store owns the
// files, the writer, the order of keys and the derived index entries; it does not know what the rows mean.
//
// Specification: the file format is bbolt's version 2 (go.etcd.io/bbolt v1.5).
package store
