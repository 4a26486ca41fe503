package settings

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"linnet/netsvc/config"
	"linnet/netsvc/wire/toml"
)

// maxFile bounds a configuration file, which a board reads into memory whole.
const maxFile = 1 << 20

// File is a configuration file taken apart.
type File struct {
	Name    string
	Entries []toml.Entry // in the order of the file
}

// Load reads the file at path. What is wrong with its text is a *config.Problem.
func Load(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", path, config.FormatBytes(maxFile))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Read(path, string(text))
}

// Read takes the text of a file apart; name is for messages. The error is a *config.Problem.
func Read(name, text string) (*File, error) {
	entries, err := toml.Parse(strings.TrimPrefix(text, "\ufeff")) // the mark that some editors begin a file with
	var mistake *toml.Error
	if errors.As(err, &mistake) {
		return nil, &config.Problem{File: name, Line: mistake.Line, Text: mistake.Text}
	}
	return &File{Name: name, Entries: entries}, err
}
