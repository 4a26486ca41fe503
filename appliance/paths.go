package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"linnet/appliance/settings"
	"linnet/netsvc/config"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
	"linnet/store"
)

// DefaultConfig is the configuration file that is read when it is there and nothing else is named.
const DefaultConfig = "/etc/linnet.toml"

// FindConfig returns DefaultConfig if there is such a file, otherwise "".
func FindConfig() string {
	if _, err := os.Stat(DefaultConfig); err != nil {
		return ""
	}
	return DefaultConfig
}

// FindData returns the data directory that a configuration file names, otherwise DefaultData. It is for the
// programs beside the server, which must not take another server's data for those of a file they cannot read; what
// else is wrong in it is not theirs.
func FindData(configFile string) (string, error) {
	if configFile == "" {
		return DefaultData(), nil
	}
	f, err := settings.Load(configFile)
	if err != nil {
		return "", fmt.Errorf("%w; name the data directory with -data", err)
	}
	for _, e := range f.Entries {
		if len(e.Path) != 1 || e.Path[0] != "data" {
			continue
		}
		text, ok := e.Value.(string)
		if !ok {
			return "", fmt.Errorf("%s:%d: data is no text; name the data directory with -data", configFile, e.Line)
		}
		if text != "" {
			return text, nil
		}
	}
	return DefaultData(), nil
}

// Sample returns the sample configuration of all registered services.
func Sample() (string, error) {
	schema := config.NewSchema()
	a := &Appliance{metrics: metric.NewSet()}
	g := &generation{site: &module.Site{}}
	infos := ordered(append([]module.Info{a.baseInfo(g)}, module.All()...))
	if _, err := module.Declare(infos, schema, a.metrics.NewGeneration(), module.NewStill()); err != nil {
		return "", err
	}
	return settings.Sample(schema), nil
}

// Restore puts a backup in the place of the data of a server that does not run. What was there is aside then, "" if
// nothing was, until the operator removes it.
func Restore(dir, file string) (aside string, err error) {
	aside, err = store.Restore(dir, file)
	var at *fs.PathError
	switch {
	case errors.Is(err, store.ErrDamaged):
		err = fmt.Errorf("%s is damaged, or no backup: %w", file, err)
	case errors.As(err, &at) && at.Path == file:
	default:
		err = dataError(dir, err)
	}
	return aside, err
}

// dataError says what to do about a data directory that cannot be used.
func dataError(dir string, err error) error {
	advice := ""
	var damaged *store.DamagedError
	switch {
	case errors.Is(err, store.ErrInUse):
		advice = "stop that one first, or name another with -data"
	case errors.Is(err, store.ErrNewer):
		advice = "run that version, or put a backup of this one in its place with `linnet restore`"
	case errors.As(err, &damaged):
		advice = "put a backup in its place with `linnet restore`, or begin with nothing by -set store.start_empty=true"
	case errors.Is(err, fs.ErrPermission):
		advice = "give it to the user this runs as, or name another with -data"
	case errors.Is(err, syscall.EROFS):
		advice = "mount it writable, or name another with -data"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "make room on its disk, or name another with -data"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "there is a file where the directory should be: name another with -data"
	default:
		return err
	}
	return fmt.Errorf("the data directory %s cannot be used: %w; %s", dir, err, advice)
}
