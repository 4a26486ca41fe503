package snmp

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// engineFile is where the engine's identifier and its count of starts stand: beside the database and not in it, as
// restoring an older database must not make the count go back, which would make old messages new again.
const engineFile = "snmp-engine"

// enginePrefix is that of identifiers which an administration assigns, within the number of net-snmp (RFC 3411,
// SnmpEngineID, format 5): until there is a number of our own.
var enginePrefix = []byte{0x80, 0x00, 0x1f, 0x88, 5}

// engineRandom is how many random bytes follow.
const engineRandom = 12

// identity is what the file holds.
type identity struct {
	id    []byte
	boots uint32
}

// startEngine counts a start of the engine in the directory. remembered is what the database knows of it, and its
// zero value if that is nothing. A directory without a readable file gets a new engine; it is lost when there was
// one before, and all keys with it.
func startEngine(dir string, remembered identity, now time.Time) (e *engine, lost bool, err error) {
	path := filepath.Join(dir, engineFile)
	at, err := readIdentity(path)
	known := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errIdentity) {
		return nil, false, err
	}
	if known && string(at.id) == string(remembered.id) {
		at.boots = max(at.boots, remembered.boots)
	}
	if !known || at.boots >= maxBoots-1 {
		lost = len(remembered.id) > 0 || known || errors.Is(err, errIdentity)
		at = identity{id: make([]byte, len(enginePrefix)+engineRandom)}
		copy(at.id, enginePrefix)
		rand.Read(at.id[len(enginePrefix):])
	}
	at.boots++
	if err := writeIdentity(path, at); err != nil {
		return nil, false, err
	}
	return &engine{id: at.id, boots: at.boots, start: now}, lost, nil
}

var errIdentity = errors.New("the file of the SNMP engine cannot be understood")

func readIdentity(path string) (identity, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return identity{}, err
	}
	words := strings.Fields(string(b))
	if len(words) != 2 {
		return identity{}, errIdentity
	}
	id, err := hex.DecodeString(words[0])
	boots, err2 := strconv.ParseUint(words[1], 10, 31)
	if err != nil || err2 != nil || len(id) < 5 || len(id) > 32 {
		return identity{}, errIdentity
	}
	return identity{id, uint32(boots)}, nil
}

// writeIdentity replaces the file, so that after a power cut the old or the new one is there.
func writeIdentity(path string, at identity) error {
	f, err := os.CreateTemp(filepath.Dir(path), engineFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of no effect once it has been renamed
	_, err = fmt.Fprintf(f, "%x %d\n", at.id, at.boots)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
