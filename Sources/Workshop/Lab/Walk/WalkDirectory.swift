import CLinux
import Glibc
import Netlink

/// The directory of one walk: the agents' state and their logs.
///
/// One with a name of our choosing is locked as long as the walk lives. The kernel lets the lock go however the walk ends, so the
/// next walk knows a dead one's directory and removes it.
final class WalkDirectory {
    let path: String
    private let lock: Descriptor?

    private static let prefix = "tulle-walk."

    /// Makes the directory; its parent must be there, and it must not.
    init(named path: String) throws(LabError) {
        try NewDirectory.make(path)
        (self.path, lock) = (path, nil)
    }

    /// Makes a directory that nobody else has, below another.
    init(in base: String) throws(LabError) {
        while true {
            var template = Array("\(Self.template(in: base))".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw NewDirectory.refusal(Self.template(in: base), Errno(rawValue: errno))
            }
            let path = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            // Another walk may take it for a dead one's before it is locked; then it is gone when the lock is ours.
            guard let lock = Self.lock(path, LOCK_EX), Self.isStill(path, lock) else { continue }
            (self.path, self.lock) = (path, lock)
            return
        }
    }

    /// What such a path looks like: as long as the path will be.
    static func template(in base: String) -> String { "\(base)/\(prefix)XXXXXX" }

    /// - Throws: when something of it is left.
    func remove() throws(LabError) {
        // An agent that is just ending may still write.
        for _ in 0..<100 {
            Files.remove(path)
            if access(path, F_OK) != 0 { return }
            poll(nil, 0, 10)
        }
        throw LabError(.directoryUnusable, "\(path) cannot be removed", remedy: "see what holds it, and remove it")
    }

    /// Removes what walks left that are dead: killed ones, and ones that failed and kept their logs.
    static func removeStale(in base: String) {
        for name in Files.names(in: base) where name.hasPrefix(prefix) {
            let path = "\(base)/\(name)"
            guard let lock = lock(path, LOCK_EX | LOCK_NB) else { continue }
            Files.remove(path)
            withExtendedLifetime(lock) {}
        }
    }

    /// Only a directory of our own user's: below a place where everybody may write, others could lay one.
    private static func lock(_ path: String, _ operation: CInt) -> Descriptor? {
        guard let descriptor = try? Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return nil }
        guard identity(descriptor)?.owner == geteuid() else { return nil }
        return flock(descriptor.rawValue, operation) == 0 ? descriptor : nil
    }

    private static func isStill(_ path: String, _ descriptor: Descriptor) -> Bool {
        guard let named = try? Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), let one = identity(named),
            let other = identity(descriptor)
        else { return false }
        return one == other
    }

    private static func identity(_ descriptor: Descriptor) -> (device: UInt64, inode: UInt64, owner: uid_t)? {
        var (device, inode, owner): (UInt64, UInt64, uid_t) = (0, 0, 0)
        return clinux_file_identity(descriptor.rawValue, &device, &inode, &owner) == 0 ? (device, inode, owner) : nil
    }
}

extension WalkDirectory {
    /// Where a node's state and log are, by the node's place among the others: a name of an API is longer than a path may be.
    static func node(_ name: String, _ position: Int, in directory: String) -> String {
        "\(directory)/\(name.utf8.count <= 40 ? name : "\(name.prefix(32))-\(position + 1)")"
    }

    /// - Throws: when the path of an agent's socket would be longer than a unix socket's address.
    static func checkLength(_ directory: String, nodes: [String]) throws(LabError) {
        for (position, name) in nodes.enumerated() {
            let path = LabNode.socket(in: node(name, position, in: directory))
            let excess = path.utf8.count - Int(CLINUX_UNIX_PATH_LIMIT)
            guard excess > 0 else { continue }
            throw LabError(
                .directoryUnusable,
                "\(path) has \(path.utf8.count) bytes, and the path of a unix socket at most \(CLINUX_UNIX_PATH_LIMIT)",
                remedy: "name a place that is \(excess) bytes shorter with --directory")
        }
    }
}
