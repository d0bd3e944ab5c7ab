import Glibc

/// What stands before the last slash.
func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return path.hasPrefix("/") ? "/" : "." }
    return String(path[..<slash])
}

/// Makes a directory and those above it, for their owner only. One that is there already stays as it is.
func makeDirectory(_ path: String) throws(SystemFailure) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, path != "/", path != "." else { throw .last("mkdir", path) }
    try makeDirectory(directory(of: path))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("mkdir", path) }
}
