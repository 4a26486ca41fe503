package guard

import (
	"io/fs"
	"path"
	"runtime/metrics"
	"strconv"
	"strings"
)

// names of the runtime's metrics, in the order in which Memory reads them.
var names = [...]string{
	"/gc/heap/live:bytes",
	"/memory/classes/heap/stacks:bytes",
	"/memory/classes/total:bytes",
	"/memory/classes/heap/released:bytes",
	"/gc/heap/allocs:bytes",
}

// Memory reads the runtime's own numbers; it does not stop the world.
func (process) Memory() Memory {
	var samples [len(names)]metrics.Sample
	for i := range samples {
		samples[i].Name = names[i]
	}
	metrics.Read(samples[:])
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // a later Go may drop a name; the guard then sees less
		}
		return samples[i].Value.Uint64()
	}
	return Memory{Live: value(0) + value(1), Mapped: value(2) - value(3), Allocated: value(4)}
}

// RAM returns how much memory the program may count on, in bytes: that of the machine or of its cgroup,
// whichever is less; 0 if it cannot be found out. root is the file system at "/".
func RAM(root fs.FS) uint64 {
	least := meminfo(root)
	for _, limit := range cgroup(root) {
		if limit > 0 && (least == 0 || limit < least) {
			least = limit
		}
	}
	return least
}

func meminfo(root fs.FS) uint64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 54)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}

// cgroup returns the limits of the program's cgroup and of all above it, of version 2 and 1.
func cgroup(root fs.FS) []uint64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var limits []uint64
	for line := range strings.Lines(string(text)) {
		// "0::/system.slice/linnet.service", or "5:memory:/docker/…" in version 1.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if content, err := fs.ReadFile(root, path.Join(base, dir, file)); err == nil {
				// "max" means none, as does the huge number that version 1 writes.
				if n, err := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 62); err == nil && n < 1<<50 {
					limits = append(limits, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return limits
}
