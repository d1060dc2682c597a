from cdc.messages import Begin, Commit, Delete, Insert, OldRow, Unchanged, Update

def set_up(
    insert: type[Insert],
    update: type[Update],
    delete: type[Delete],
    begin: type[Begin],
    commit: type[Commit],
    unchanged: Unchanged,
    absent: OldRow,
    key: OldRow,
    full: OldRow,
    /,
) -> None: ...
def read(data: bytes | memoryview, at: int, /) -> Insert | Update | Delete | Begin | Commit | None: ...
