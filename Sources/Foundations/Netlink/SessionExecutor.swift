import CLinux
import Glibc

/// Runs an actor on one thread of its own, so that its calls into the kernel may block without holding up anybody else.
///
/// The thread ends with the last reference to the executor.
public final class SessionExecutor: SerialExecutor {
    private let queue = Queue()

    public init(name: String) {
        var thread = pthread_t()
        // Safe: the one reference is taken back by the thread, and without a thread the program ends.
        let handle = Unmanaged.passRetained(Start(queue: queue, name: name))
        let code = pthread_create(&thread, nil, { SessionExecutor.run($0) }, handle.toOpaque())
        precondition(code == 0, "no thread for \(name): error \(code)")
        pthread_detach(thread)
    }

    deinit { queue.push(nil) }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.push(Work(job: UnownedJob(job), executor: self, tasks: nil))
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    private static func run(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let pointer else { return nil }
        // Safe: the pointer is the one that init retained for this thread, and nobody else takes it back.
        let start = Unmanaged<Start>.fromOpaque(pointer).takeRetainedValue()
        clinux_name_thread(start.name)
        while let work = start.queue.pop() {
            if let tasks = work.tasks {
                work.job.runSynchronously(on: tasks.asUnownedTaskExecutor())
            } else {
                work.job.runSynchronously(on: work.executor.asUnownedSerialExecutor())
            }
        }
        return nil
    }

    private final class Start {
        let queue: Queue
        let name: String

        init(queue: Queue, name: String) {
            self.queue = queue
            self.name = name
        }
    }

    private struct Work {
        let job: UnownedJob
        // Keeps the executor, and with it the thread, until the job has run.
        let executor: SessionExecutor
        let tasks: SessionTasks?
    }

    /// See ``SessionTasks``.
    fileprivate func enqueue(_ job: UnownedJob, of tasks: SessionTasks) {
        queue.push(Work(job: job, executor: self, tasks: tasks))
    }

    // Safe: every access to `items` is between pthread_mutex_lock and pthread_mutex_unlock.
    private final class Queue: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var items: [Work?] = []

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        /// `nil` ends the thread.
        func push(_ work: Work?) {
            pthread_mutex_lock(mutex)
            items.append(work)
            pthread_cond_signal(condition)
            pthread_mutex_unlock(mutex)
        }

        func pop() -> Work? {
            pthread_mutex_lock(mutex)
            while items.isEmpty { pthread_cond_wait(condition, mutex) }
            let first = items.removeFirst()
            pthread_mutex_unlock(mutex)
            return first
        }
    }
}

/// Runs tasks on the thread of a ``SessionExecutor``, also those steps of them that belong to no actor: a task that waits for
/// something and then goes on with the actor wakes that thread alone.
public final class SessionTasks: TaskExecutor {
    private let executor: SessionExecutor

    public init(on executor: SessionExecutor) { self.executor = executor }

    public func enqueue(_ job: consuming ExecutorJob) { executor.enqueue(UnownedJob(job), of: self) }
}
