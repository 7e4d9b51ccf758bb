/*
 * What the ranks of an MPI job need beside adit.h: to open the same set, to learn of each other's
 * failures, to add up, and to keep checkpoints that count for all of them or for none. Two files
 * to copy: the library itself links no MPI.
 *
 * All functions are collective: every rank calls them, in the same order, also one that has just
 * failed: it says so, and all return -1. So nobody waits in a collective call for a rank that has
 * given up.
 */
#ifndef ADIT_MPI_H
#define ADIT_MPI_H

#include <adit.h>
#include <mpi.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The failure that all ranks know of: the lowest failed rank's. */
typedef struct adit_mpi_failure {
    adit_status status; /* ADIT_OK where no rank has failed */
    int rank;
    char message[1024];
} adit_mpi_failure;

/*
 * Agrees on how it went: 0 if `status` is ADIT_OK on all ranks; else -1, and `failure` tells on
 * every rank what happened to the lowest one that failed. `err` may be NULL, and is freed; `doing`
 * leads the message.
 */
int adit_mpi_agree(MPI_Comm comm, const char *doing, adit_status status, adit_error *err,
                   adit_mpi_failure *failure);

/*
 * Opens the record file or set at `path` on all ranks. It must be the same one: rank 0 broadcasts
 * its identity (of the shards' uuids, counts and order) and its length, and a rank that has opened
 * another is refused. `seed` becomes rank 0's. -1 leaves *reader NULL on all ranks.
 */
int adit_mpi_open(MPI_Comm comm, const char *path, adit_record_reader **reader, uint64_t *seed,
                  adit_mpi_failure *failure);

/* Whether all ranks have the same `len` bytes of `what`: 0, else -1 with a failure that says so. */
int adit_mpi_same(MPI_Comm comm, const char *what, const void *bytes, size_t len,
                  adit_mpi_failure *failure);

/* Adds up integers over all ranks: all get the sums, whatever the number and order of ranks. */
void adit_mpi_sum(MPI_Comm comm, int64_t *values, size_t count);

/* Which checkpoint counts: that of step `step`, kept by `world` ranks. */
typedef struct adit_mpi_commit {
    uint64_t step;
    uint64_t world; /* 0: there is none */
} adit_mpi_commit;

/*
 * A checkpoint is in two steps. First each rank keeps its part in a store of its own, under a key
 * that has the step in it: durable when the write returns. Then this: when all ranks have kept
 * theirs, rank 0 writes the commit record to its store. Killed in between, the job goes on from
 * the checkpoint before, whose parts are still there; after this they may be deleted.
 *
 * `status` and `err` say how keeping went here; `store` is used on rank 0 alone.
 */
int adit_mpi_commit_all(MPI_Comm comm, const adit_store *store, const adit_mpi_commit *commit,
                        adit_status status, adit_error *err, adit_mpi_failure *failure);

/* Reads rank 0's commit record to all ranks; `commit->world` is 0 where there is none. */
int adit_mpi_committed(MPI_Comm comm, const adit_store *store, adit_mpi_commit *commit,
                       adit_mpi_failure *failure);

#ifdef __cplusplus
}
#endif

#endif
