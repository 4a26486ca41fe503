package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Vault is where the local authority's keys live: a directory, or the store. A
// name is a plain file name. Write replaces the whole value or leaves the old
// one, also across a power cut.
type Vault interface {
	Read(name string) ([]byte, error) // fs.ErrNotExist when there is none
	Write(name string, b []byte) error
}

// Dir is a Vault in a directory of its own: made with mode 0700, files 0600.
type Dir string

// Read implements Vault. A file that others could read is made private first;
// it is not refused, since a restored backup often loses its modes.
func (d Dir) Read(name string) ([]byte, error) {
	path := filepath.Join(string(d), name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, fmt.Errorf("%s can be read by others: %w", path, err)
		}
	}
	return os.ReadFile(path)
}

// Write implements Vault.
func (d Dir) Write(name string, b []byte) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(string(d), name))
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(string(d))
}

// syncDir makes a rename in a directory survive a power cut.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Memory is a Vault that forgets: for tests and for a device that may not write.
type Memory map[string][]byte

// Read implements Vault.
func (m Memory) Read(name string) ([]byte, error) {
	b, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

// Write implements Vault.
func (m Memory) Write(name string, b []byte) error {
	m[name] = append([]byte(nil), b...)
	return nil
}
