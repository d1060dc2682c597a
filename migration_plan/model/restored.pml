/* A side comes back in an older state: a restore from a backup, the image of a disk, a failover without the last commits.
   Which state is whichever was, at any time; it comes back when nobody is at work on the domain (whoever was has died).

   What the streams make of it is noticed before the first row (losses.py): the one to this side is behind its slot, the
   one from it has a source from the past. Heartbeats move all positions, so no restore leaves one as it was. */

/* Where a side may be unreadable, the journal has had the time to write down who owns; else the rows alone decide. */
#define RECORDED (!OPEN_INTENT && known_owner == rightful && known_epoch == ep[rightful] && st[rightful] == owner)

proctype Restorer() {
    byte s, r_rows, r_end, r_ep, r_marker, r_at, r_seen;
    mtype:state r_st;
    do
    :: (restores < RESTORES) ->
        atomic {
        if :: s = MONOLITH :: s = SERVICE fi;
        d_step {
            r_st = st[s]; r_ep = ep[s]; r_marker = marker[s]; r_rows = rows[s]; r_end = end[s]; r_at = at[s];
            r_seen = seen[s]; printf("@ b backup s%d %d\n", s, r_ep)
        }
        };
        d_step {
            (!busy && (!AWAY || RECORDED)) ->
            restores++;
            lies[s] = (lies[s] || st[s] != r_st || ep[s] != r_ep);
            if :: (rightful == s) -> lost = lost | (acked & ~r_rows) :: else fi;
            st[s] = r_st; ep[s] = r_ep; marker[s] = r_marker; rows[s] = r_rows; end[s] = r_end; seen[s] = r_seen;
            if
            :: WITH(GUARD_SLOT_AHEAD) -> at[s] = r_at; broken[s] = (broken[s] -> broken[s] : GONE)
            :: else /* It goes on from where the slot is. */
            fi;
            if
            :: (WITH(GUARD_SOURCE_BEHIND) && (broken[OTHER(s)] != GONE || WITH(GUARD_COPY_LOOKS))) ->
                broken[OTHER(s)] = DOUBTFUL
            :: else
            fi;
            FLUSH(s);
            printf("@ b restore s%d m%d %d\n", s, st[s], ep[s]);
            r_st = 0; r_ep = 0; r_marker = 0; r_rows = 0; r_end = 0; r_at = 0; r_seen = 0; s = 0;
            KEEPS_PROMISES; assert(I2_CAUGHT_UP(MONOLITH)); assert(I2_CAUGHT_UP(SERVICE))
        }
    od
}

/* restarts.py: brings back the stream to side t: by itself, or by `fig sync snapshot` where it waits for a person. Both
   rows are read at one moment here; what is written is guarded as every copy is. */
proctype Keeper(byte t) {
    byte copy, point, epoch;
    bool marks;
    do
    :: d_step {
        /* Over its budget: the slot is given up. */
        (given_up < BUDGET && !broken[t]) -> given_up++; broken[t] = GONE; printf("@ k%d give_up s%d\n", t, t) }
    :: d_step {
        /* The source is the copy: nothing of its own can have been missed. */
        (broken[t] && AT_REST && OWNER_SIDE == t) ->
        at[t] = end[OTHER(t)]; seen[t] = 0; broken[t] = 0; FLUSH(t); printf("@ k%d new-slot s%d\n", t, t) }
    :: d_step {
        (broken[t] && COPIES_FROM(OTHER(t), t)) ->
        busy++; marks = (st[OTHER(t)] == released);
        epoch = EPOCH_OF_COPIES(t); copy = rows[OTHER(t)]; point = end[OTHER(t)]; printf("@ k%d read s%d %d\n", t, OTHER(t), point) };
        if
        :: d_step {
            if
            :: ((!GUARD_REFUSES(t) && ep[t] == epoch) || !WITH(GUARD_APPLY)) ->
                /* KEPT: by itself no copy deletes what only this side still has of what was acknowledged. */
                assert((broken[t] == DOUBTFUL && WITH(GUARD_COPY_WAITS)) || (rows[t] & acked & ~copy) == 0);
                if :: (broken[t] == DOUBTFUL && restores && rightful == OTHER(t)) -> acked = acked & copy :: else fi;
                lost = lost & acked;
                rows[t] = copy; at[t] = point; seen[t] = 0; FLUSH(t);
                if :: !marks -> broken[t] = 0 :: else fi;
                printf("@ k%d copy s%d\n", t, t)
            :: else -> marks = false; printf("@ k%d copy-refused s%d\n", t, t)
            fi;
            copy = 0; point = 0; epoch = 0;
            assert(I2_OWNERS_HAVE_ALL); assert(I2_CAUGHT_UP(t)) }
        :: d_step { marks = false; copy = 0; point = 0; epoch = 0 } /* It dies: the next one begins again. */
        fi;
        if
        :: marks ->
            if
            :: d_step { mark_again(OTHER(t)); broken[t] = 0; assert(I5_RECOVERABLE) }
            :: d_step { marks = false }
            fi
        :: else
        fi;
        d_step { marks = false; busy-- }
    od
}
