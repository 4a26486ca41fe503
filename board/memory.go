package board

import (
	"strconv"
	"strings"

	"linnet/board/sysfs"
)

// Memory is what /proc/meminfo says, in bytes.
type Memory struct {
	Total, Free         uint64
	Available           uint64 // what programs could have without swapping; an estimate where the kernel gives none
	Buffers, Cached     uint64
	Reclaimable, Shared uint64
	SwapTotal, SwapFree uint64
}

// Memory reads how much memory there is and how much is used.
func (b *Board) Memory() (Memory, error) {
	var m Memory
	known := false // MemAvailable is as young as Linux 3.14
	b.root.Fields("proc/meminfo", func(words []string) bool {
		if len(words) < 2 {
			return true
		}
		n := sysfs.Uint(words[1]) << 10
		switch words[0] {
		case "MemTotal:":
			m.Total = n
		case "MemFree:":
			m.Free = n
		case "MemAvailable:":
			m.Available, known = n, true
		case "Buffers:":
			m.Buffers = n
		case "Cached:":
			m.Cached = n
		case "Shmem:":
			m.Shared = n
		case "SReclaimable:":
			m.Reclaimable = n
		case "SwapTotal:":
			m.SwapTotal = n
		case "SwapFree:":
			m.SwapFree = n
		}
		return true
	})
	if m.Total == 0 {
		return m, errNothing
	}
	if !known {
		m.Available = min(m.Total, m.Free+m.Buffers+m.Cached+m.Reclaimable-min(m.Shared, m.Cached))
	}
	return m, nil
}

// Load is what /proc/loadavg says: how many tasks ran or waited for the disk, on average over the last 1, 5 and 15
// minutes, in hundredths.
type Load struct {
	Average  [3]uint32
	Runnable int // tasks, now
	Tasks    int // threads in all
}

// Load reads how busy the machine is.
func (b *Board) Load() (Load, error) {
	words := strings.Fields(b.root.Text("proc/loadavg"))
	if len(words) < 4 {
		return Load{}, errNothing
	}
	var l Load
	for i := range l.Average {
		l.Average[i] = uint32(thousandths(words[i]) / 10)
	}
	run, all, _ := strings.Cut(words[3], "/")
	l.Runnable, l.Tasks = int(sysfs.Uint(run)), int(sysfs.Uint(all))
	return l, nil
}

// Uptime reads for how long the machine has been running, in hundredths of a second.
func (b *Board) Uptime() (uint64, error) {
	words := strings.Fields(b.root.Text("proc/uptime"))
	if len(words) == 0 {
		return 0, errNothing
	}
	return uint64(thousandths(words[0]) / 10), nil
}

// Processes counts the processes there are.
func (b *Board) Processes() int {
	n := 0
	for _, name := range b.root.Names("proc") {
		if name[0] >= '1' && name[0] <= '9' {
			n++
		}
	}
	return n
}

// MaxProcesses reads how many processes there can be, 0 if that is not known.
func (b *Board) MaxProcesses() int64 {
	n, _ := b.root.Int("proc/sys/kernel/pid_max")
	return n
}

// thousandths reads "12.345" as 12345, exactly: a decimal fraction needs no float.
func thousandths(s string) int64 {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 48)
	if err != nil {
		return 0
	}
	n *= 1000
	for i, weight := 0, int64(100); i < len(fraction) && i < 3; i, weight = i+1, weight/10 {
		n += int64(fraction[i]-'0') * weight
	}
	return n
}
