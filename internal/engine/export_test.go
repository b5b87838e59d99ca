package engine

import "fmt"

// Unbalanced tells what is wrong with the count of the work at hand, "" if
// nothing is. It holds whenever no operation is under way and no turn runs.
func (e *Engine) Unbalanced() string {
	t := e.current()
	if t == nil {
		return ""
	}
	var sum int64
	for _, p := range t.partitions {
		p.mu.Lock()
		for id, inst := range p.instances {
			counted := inst.weight
			sum += counted
			inst.recount()
			inst.taskBytes = 0
			for _, a := range inst.tasks {
				inst.taskBytes += a.bytes()
			}
			p.weigh(inst)
			if inst.weight != counted {
				p.mu.Unlock()
				return fmt.Sprintf("instance %s was counted as %d bytes and costs %d", id, counted, inst.weight)
			}
		}
		p.mu.Unlock()
	}
	if used := t.admission.used.Load(); used != sum {
		return fmt.Sprintf("%d bytes are at hand, the instances' are %d", used, sum)
	}
	return ""
}
