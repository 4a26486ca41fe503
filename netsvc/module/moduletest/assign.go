package moduletest

import (
	"errors"
	"strings"

	"linnet/netsvc/config"
)

// assign sets the option "section/name" from a text.
func assign(schema *config.Schema, name, text string) error {
	section, option, ok := strings.Cut(name, "/")
	if !ok {
		return errors.New(`expected "section/option"`)
	}
	if found := schema.Open(section); found != nil {
		if o := found.Option(option); o != nil {
			return o.AssignText(text, config.LayerFlag)
		}
	}
	return errors.New("there is no such option")
}
