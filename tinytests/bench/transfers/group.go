package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errNoGroup reports a machine on which no control group can be made.
var errNoGroup = errors.New("no control group for memory can be made here (that takes root)")

// group is a control group that limits memory, of version 1 or 2.
type group struct {
	dir string
	v2  bool
}

// newGroup makes one below that of this program.
func newGroup(name string, limit int64) (*group, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, errNoGroup
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		g := &group{}
		files := map[string]string{}
		switch {
		case len(parts) != 3:
			continue
		case parts[1] == "memory":
			g.dir = filepath.Join("/sys/fs/cgroup/memory", parts[2], name)
			// What sockets hold counts where the kernel can count it.
			files = map[string]string{"memory.limit_in_bytes": strconv.FormatInt(limit, 10), "memory.kmem.tcp.limit_in_bytes": strconv.FormatInt(limit, 10)}
		case parts[1] == "" && exists("/sys/fs/cgroup/cgroup.controllers"):
			g.dir, g.v2 = filepath.Join("/sys/fs/cgroup", parts[2], name), true
			files = map[string]string{"memory.max": strconv.FormatInt(limit, 10), "memory.swap.max": "0"}
		default:
			continue
		}
		if os.Mkdir(g.dir, 0o755) != nil && !exists(g.dir) {
			continue
		}
		set := false
		for file, value := range files {
			if os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0o644) == nil && strings.HasPrefix(file, "memory.max") || strings.HasPrefix(file, "memory.limit") {
				set = true
			}
		}
		if set {
			return g, nil
		}
		g.remove()
	}
	return nil, errNoGroup
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// procs is the file by which a process enters.
func (g *group) procs() string { return filepath.Join(g.dir, "cgroup.procs") }

// usage tells what the group uses.
func (g *group) usage() string {
	read := func(file string) int64 {
		text, _ := os.ReadFile(filepath.Join(g.dir, file))
		n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return n
	}
	if g.v2 {
		return fmt.Sprintf("%.1f MB used of the group's memory, sockets included", float64(read("memory.current"))/1e6)
	}
	return fmt.Sprintf("%.1f MB used of the group's memory, and %.1f MB by its sockets",
		float64(read("memory.usage_in_bytes"))/1e6, float64(read("memory.kmem.tcp.usage_in_bytes"))/1e6)
}

func (g *group) remove() { os.Remove(g.dir) }
