// Package sysfs reads the small text files in which Linux shows its state, below a root that can be another than
// that of the machine.
//
// A value in /sys is one line; reading it may fail at any time (a cable pulled, a driver without that value), and
// then it is as if it were not there. That is why these readers return a zero or false and no error.
package sysfs

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Root is a tree that has proc and sys in it. The zero value has nothing. Safe for concurrent use.
type Root struct{ files fs.FS }

// Machine returns the tree of the machine itself.
func Machine() Root { return Root{os.DirFS("/")} }

// In returns a tree that stands in files, such as a recorded one.
func In(files fs.FS) Root { return Root{files} }

// Read returns what a file holds, as it is. Paths have no slash at their beginning: "proc/meminfo".
func (r Root) Read(path string) (string, error) {
	if r.files == nil {
		return "", fs.ErrNotExist
	}
	b, err := fs.ReadFile(r.files, path)
	return string(b), err
}

// Text returns what a file holds without the blanks and zero bytes around it, "" if it cannot be read.
func (r Root) Text(path string) string {
	text, _ := r.Read(path)
	return strings.Trim(text, " \t\r\n\x00") // the texts of a device tree end with a zero byte
}

// Int returns the number that a file holds, in decimal or with 0x.
func (r Root) Int(path string) (int64, bool) {
	n, err := strconv.ParseInt(r.Text(path), 0, 64)
	return n, err == nil
}

// Names lists a directory, sorted.
func (r Root) Names(dir string) []string {
	if r.files == nil {
		return nil
	}
	entries, _ := fs.ReadDir(r.files, dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// Has tells whether something of that name is there.
func (r Root) Has(path string) bool {
	if r.files == nil {
		return false
	}
	_, err := fs.Stat(r.files, path)
	return err == nil
}

// Fields calls use with the words of each line of a file until it returns false. It tells whether the file could
// be read. The words are valid for ever, the slice inside the call only.
func (r Root) Fields(path string, use func(words []string) bool) bool {
	text, err := r.Read(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && !use(words) {
			break
		}
	}
	return true
}

// Uint reads a decimal number that may be followed by something else, such as a unit; 0 where there is none.
func Uint(s string) uint64 {
	var n uint64
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + uint64(s[i]-'0')
	}
	return n
}
