"""A random program of asyncio tasks, which asks at many places which task runs; it begins with support.steps.ASK."""

PROGRAM = """
    import collections.abc, random, types
    R = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 7)
    sent = thrown = 0
    class Stepper(collections.abc.Coroutine):  # counts its task's steps
        def __init__(self, inner): self.inner = inner
        def send(self, value):
            global sent
            sent += 1
            return self.inner.send(value)
        def throw(self, *args):
            global thrown
            thrown += 1
            return self.inner.throw(*args)
        def close(self): return self.inner.close()
        def __await__(self): return self
    def task(coroutine): return asyncio.get_running_loop().create_task(coroutine)
    class Awaitable:
        def __init__(self, inner): self.inner = inner
        def __await__(self): return (yield from self.inner.__await__())
    @types.coroutine
    def old(n): yield from work(n).__await__()
    async def numbers(n):
        for _ in range(R.randrange(3)): mine(); await leaf(n); yield 1; mine()
    async def leaf(n):
        mine(); x = R.random()
        if x < .5: await asyncio.sleep(0)
        elif x < .6: await asyncio.sleep(.0001)
        elif x < .7: await asyncio.get_running_loop().run_in_executor(None, int)
        elif x < .75: await asyncio.wait([task(work(n - 1))])
        mine()
    async def limited(n):
        async with asyncio.timeout(.0003): await leaf(n); await asyncio.sleep(.001)
    async def catcher(n):
        try: await asyncio.sleep(10)
        except asyncio.CancelledError: mine(); await leaf(n); mine()
    async def nothing(): mine()
    def by_hand():
        try: nothing().send(None)
        except StopIteration: pass
    async def work(n):
        mine(); x = R.random()
        if n <= 0: await leaf(n)
        elif x < .2: await work(n - 1)
        elif x < .3: await Awaitable(work(n - 1))
        elif x < .4: [mine() async for _ in numbers(n - 1)]
        elif x < .45:
            async for _ in numbers(n - 1): break
        elif x < .55:
            async with asyncio.TaskGroup() as group:
                for _ in range(3): group.create_task(work(n - 1))
        elif x < .65: await asyncio.gather(task(work(n - 1)), work(n - 2))
        elif x < .7: await old(n - 1)
        elif x < .75:
            try: await limited(n - 1)
            except TimeoutError: pass
        elif x < .85:
            other = task(catcher(n - 1) if x < .8 else work(n - 1)); await asyncio.sleep(0); other.cancel()
            try: await other
            except asyncio.CancelledError: pass
        elif x < .9: by_hand()
        else: await asyncio.wait_for(task(work(n - 1)), 1)
        mine()
    async def main(): await asyncio.gather(*(task(work(5)) for _ in range(60)), return_exceptions=True)
"""
RUNS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": """
    import uvloop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: runner.run(main())
    """,
    "eager": """
    async def eagerly():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory); await main()
    asyncio.run(eagerly())
    """,
    "pure": """
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(lambda loop, c, **k: asyncio.tasks._PyTask(c, loop=loop, **k))
        runner.run(main())
    """,
}
