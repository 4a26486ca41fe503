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
// programs beside the server: a file with mistakes in it is as good as one that says nothing.
func FindData(configFile string) string {
	if configFile != "" {
		if f, err := settings.Load(configFile); err == nil {
			for _, e := range f.Entries {
				if text, ok := e.Value.(string); ok && len(e.Path) == 1 && e.Path[0] == "data" && text != "" {
					return text
				}
			}
		}
	}
	return DefaultData()
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

// Restore puts a backup in the place of the data of a server that does not run. What was there is set aside.
func Restore(dir, file string) error {
	err := store.Restore(dir, file)
	var at *fs.PathError
	switch {
	case errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("%s is damaged, or no backup: %w", file, err)
	case errors.As(err, &at) && at.Path == file:
		return err
	}
	return dataError(dir, err)
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
