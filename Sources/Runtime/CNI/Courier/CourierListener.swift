internal import CLinux
import Glibc

/// The listening socket of an endpoint and its file.
final class CourierListener: Sendable {
    let descriptor: Int32
    let path: String
    private let inode: ino_t

    init(path: String) throws(SystemFailure) {
        guard path.utf8.count <= Int(CLINUX_UNIX_PATH_LIMIT) else { throw SystemFailure("bind", path, errno: ENAMETOOLONG) }
        try makeDirectory(directory(of: path))
        try Self.clear(path)
        let socket = clinux_unix_socket()
        guard socket >= 0 else { throw .last("socket", path) }
        do throws(SystemFailure) {
            // The mode of an unbound socket is the mode its file gets: there is no moment when others may connect.
            guard fchmod(socket, 0o600) == 0 else { throw SystemFailure.last("fchmod", path) }
            guard clinux_unix_bind(socket, path) == 0 else { throw SystemFailure.last("bind", path) }
            guard listen(socket, 256) == 0 else { throw SystemFailure.last("listen", path) }
            var status = stat()
            guard lstat(path, &status) == 0 else { throw SystemFailure.last("lstat", path) }
            inode = status.st_ino
        } catch {
            close(socket)
            throw error
        }
        descriptor = socket
        self.path = path
    }

    deinit { close(descriptor) }

    func shut() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Removes the file, unless another endpoint has put its own there.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, status.st_ino == inode { unlink(path) }
    }

    /// Makes room for our socket, or says who is in the way.
    private static func clear(_ path: String) throws(SystemFailure) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .last("lstat", path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SystemFailure("bind over a file that is no socket,", path, errno: EEXIST)
        }
        let probe = try CourierStream(path: path)
        try probe.limit(writing: .seconds(1))
        do {
            try probe.connect()
        } catch {
            guard error.errno == ECONNREFUSED || error.errno == ENOENT else {
                throw SystemFailure("bind", path, errno: EADDRINUSE)
            }
            guard unlink(path) == 0 || errno == ENOENT else { throw .last("unlink", path) }
            return
        }
        throw SystemFailure("bind", path, errno: EADDRINUSE)
    }
}
