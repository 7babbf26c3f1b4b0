"""One computation three ways: in one thread, in three threads that share the GIL, in three processes."""

import math
import multiprocessing
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

ARRAY = range(10**10 + 1, 10**10 + 1201, 2)
THIRDS = [ARRAY[:200], ARRAY[200:400], ARRAY[400:]]
PRIMES = 54  # in the whole array


def check_prime(n: int) -> bool:
    """Tell whether an odd `n` is a prime, by trial division."""
    for divisor in range(3, math.isqrt(n) + 1, 2):
        if n % divisor == 0:
            return False
    return True


def get_prime_arr(arr: Sequence[int]) -> list[int]:
    """Return the primes of `arr`."""
    return [n for n in arr if check_prime(n)]


def add_primes(arr: Sequence[int], found: list[int]) -> None:
    """Add the primes of `arr` to a list that threads share."""
    found.extend(get_prime_arr(arr))


def send_primes(arr: Sequence[int], connection: Connection) -> None:
    """Send the primes of `arr` to another process."""
    connection.send(get_prime_arr(arr))
    connection.close()


def test_one_thread():
    assert len(get_prime_arr(ARRAY)) == PRIMES


def test_three_threads():
    found: list[int] = []
    threads = [
        threading.Thread(target=add_primes, args=(third, found), name=f"primes-{number}")
        for number, third in enumerate(THIRDS, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == PRIMES


def test_three_processes():
    processes, receivers = [], []
    for number, third in enumerate(THIRDS, 1):
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=send_primes, args=(third, sender), name=f"primes-{number}")
        process.start()
        sender.close()  # the child has its own: should it die, `recv` below ends with EOFError
        processes.append(process)
        receivers.append(receiver)
    found = [prime for receiver in receivers for prime in receiver.recv()]
    for process in processes:
        process.join()
    assert len(found) == PRIMES
