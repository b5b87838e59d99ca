package memory_test

import (
	"testing"

	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, partitions int) storetest.Fixture {
		return storetest.Fixture{Store: memory.New(partitions)}
	})
}

func TestStoreWithLanes(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, partitions int) storetest.Fixture {
		return storetest.Fixture{Store: memory.NewWith(partitions, memory.Options{Lanes: 3})}
	})
}

func TestNewRefusesWrongPartitions(t *testing.T) {
	for _, partitions := range []int{-1, 0, 1025} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%d) does not panic", partitions)
				}
			}()
			memory.New(partitions)
		}()
	}
}
