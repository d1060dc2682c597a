/* adoption.py and side.sql: a person's word. Both rows as they were read are in s0, e0, s1, e1; `a` is to own, at `n`. */

#define READ_STATE(s) (s == MONOLITH -> s0 : s1)
#define READ_EPOCH(s) (s == MONOLITH -> e0 : e1)
#define AS_READ(s) (st[s] == READ_STATE(s) && ep[s] == READ_EPOCH(s))

/* _beyond: an epoch that nobody has seen, not the rows, the journal or a proxy. */
inline beyond() {
    d_step {
        n = (e0 > e1 -> e0 : e1);
        if
        :: WITH(GUARD_BEYOND) ->
            n = (k_epoch > n -> k_epoch : n);
            n = (told > n -> told : n);
            n = ((PROXIES > 0 && route_epoch[0] > n) -> route_epoch[0] : n);
            n = ((PROXIES > 1 && route_epoch[1] > n) -> route_epoch[1] : n)
        :: else
        fi;
        n++;
        told = n;
        printf("@ c%d adopting s%d %d\n", me, a, n)
    }
}

inline give_way(s) {
    d_step {
        if
        :: (st[s] == standby && ep[s] == n) -> ok = true
        :: (!(st[s] == standby && ep[s] == n) && AS_READ(s) && WITH(GUARD_GIVE_WAY)) ->
            st[s] = standby; ep[s] = n; marker[s] = 0; lies[s] = false; FLUSH(s); ok = true;
            printf("@ c%d give_way s%d %d\n", me, s, n)
        :: (!WITH(GUARD_GIVE_WAY) && READ_STATE(s) != owner) -> ok = true
        :: (!WITH(GUARD_GIVE_WAY) && READ_STATE(s) == owner && AS_READ(s)) ->
            st[s] = standby; lies[s] = false; FLUSH(s); ok = true; printf("@ c%d stop s%d %d\n", me, s, n)
        :: else -> ok = false; printf("@ c%d give_way-refused s%d %d\n", me, s, n)
        fi;
        KEEPS_PROMISES
    }
}

inline adopt(s) {
    d_step {
        if
        :: (st[s] == owner && ep[s] == n) -> ok = true
        :: (!(st[s] == owner && ep[s] == n) && (AS_READ(s) || !WITH(GUARD_ADOPT_EPOCH)) && n > READ_EPOCH(s)) ->
            /* A person has looked, and accepts what only the other side has as lost; what the side has had is history. */
            if :: restores -> acked = rows[s]; lost = 0 :: else fi;
            assert(n > ep[s]); /* FORWARD */
            rightful = s; lies[s] = false; st[s] = owner; ep[s] = n; marker[s] = 0; FLUSH(s); ok = true;
            printf("@ c%d adopt s%d %d\n", me, s, n)
        :: else -> ok = false; printf("@ c%d adopt-refused s%d %d\n", me, s, n)
        fi;
        KEEPS_PROMISES
    }
}
