/* adit_mpi.h tells what these do. */
#include "adit_mpi.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Tells all ranks of the lowest one whose `status` is a failure. */
static int agree(MPI_Comm comm, adit_status status, const char *message, adit_mpi_failure *failure)
{
    int rank, world, mine, first;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &world);
    memset(failure, 0, sizeof *failure);
    mine = status == ADIT_OK ? world : rank;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm);
    if (first == world)
        return 0;
    if (first == rank) {
        failure->status = status;
        failure->rank = rank;
        snprintf(failure->message, sizeof failure->message, "%s", message);
    }
    MPI_Bcast(failure, (int)sizeof *failure, MPI_BYTE, first, comm);
    return -1;
}

int adit_mpi_agree(MPI_Comm comm, const char *doing, adit_status status, adit_error *err,
                   adit_mpi_failure *failure)
{
    char message[sizeof failure->message];
    snprintf(message, sizeof message, "%s: %s: %s", doing, adit_status_name(status),
             adit_error_message(err));
    adit_error_free(err);
    return agree(comm, status, message, failure);
}

int adit_mpi_same(MPI_Comm comm, const char *what, const void *bytes, size_t len,
                  adit_mpi_failure *failure)
{
    char message[sizeof failure->message];
    unsigned char theirs[256];
    adit_status status = ADIT_OK;
    int rank;

    MPI_Comm_rank(comm, &rank);
    if (len > sizeof theirs)
        status = ADIT_ERR_OUT_OF_RANGE;
    else
        memcpy(theirs, bytes, len);
    /* A length that is too long is so on rank 0 too, or it isn't the same. */
    MPI_Bcast(theirs, (int)sizeof theirs, MPI_BYTE, 0, comm);
    if (status == ADIT_OK && memcmp(theirs, bytes, len) != 0)
        status = ADIT_ERR_INVALID_ARGUMENT;
    snprintf(message, sizeof message, "rank %d has another %s than rank 0", rank, what);
    return agree(comm, status, message, failure);
}

int adit_mpi_open(MPI_Comm comm, const char *path, adit_record_reader **reader, uint64_t *seed,
                  adit_mpi_failure *failure)
{
    unsigned char identity[16] = {0};
    adit_error *err = NULL;
    adit_status status;

    *reader = NULL;
    status = adit_record_reader_open(path, NULL, reader, &err);
    if (status == ADIT_OK)
        status = adit_record_reader_identity(*reader, identity, &err);
    MPI_Bcast(seed, 1, MPI_UINT64_T, 0, comm);
    if (adit_mpi_agree(comm, path, status, err, failure) == 0
        && adit_mpi_same(comm, "set of records", identity, sizeof identity, failure) == 0)
        return 0;
    adit_record_reader_close(*reader);
    *reader = NULL;
    return -1;
}

void adit_mpi_sum(MPI_Comm comm, int64_t *values, size_t count)
{
    while (count > 0) {
        const int part = count > INT_MAX ? INT_MAX : (int)count;
        MPI_Allreduce(MPI_IN_PLACE, values, part, MPI_INT64_T, MPI_SUM, comm);
        values += part;
        count -= (size_t)part;
    }
}

static const char COMMIT[] = "commit";

int adit_mpi_commit_all(MPI_Comm comm, const adit_store *store, const adit_mpi_commit *commit,
                        adit_status status, adit_error *err, adit_mpi_failure *failure)
{
    int rank;

    MPI_Comm_rank(comm, &rank);
    if (adit_mpi_agree(comm, "keeping a checkpoint", status, err, failure) != 0)
        return -1;
    err = NULL;
    if (rank == 0)
        status = adit_store_put(store, COMMIT, sizeof COMMIT - 1, commit, sizeof *commit, NULL,
                                &err);
    return adit_mpi_agree(comm, "committing a checkpoint", status, err, failure);
}

int adit_mpi_committed(MPI_Comm comm, const adit_store *store, adit_mpi_commit *commit,
                       adit_mpi_failure *failure)
{
    adit_snapshot *snapshot = NULL;
    adit_error *err = NULL;
    adit_status status = ADIT_OK;
    const void *value = NULL;
    size_t len = 0;
    int rank;

    MPI_Comm_rank(comm, &rank);
    memset(commit, 0, sizeof *commit);
    if (rank == 0) {
        status = adit_store_snapshot(store, &snapshot, &err);
        if (status == ADIT_OK)
            status = adit_snapshot_get(snapshot, COMMIT, sizeof COMMIT - 1, &value, &len, &err);
        if (status == ADIT_OK && len == sizeof *commit)
            memcpy(commit, value, sizeof *commit);
        else if (status == ADIT_OK)
            status = ADIT_ERR_SHAPE;
        else if (status == ADIT_ERR_NOT_FOUND)
            status = ADIT_OK; /* the first run */
        adit_snapshot_close(snapshot);
    }
    MPI_Bcast(commit, (int)sizeof *commit, MPI_BYTE, 0, comm);
    return adit_mpi_agree(comm, "reading the last commit", status, err, failure);
}
