"""
All scenarios, with the size of the whole run.
"""

from tests.chaos import approvals, hammer, outages, payments, workers
from tests.chaos.scenario import Scenario, Size

SCENARIOS = [
    Scenario(
        name="worker killed after the payment",
        play=payments.worker_killed_after_payment,
        size=Size(orders=15),
    ),
    Scenario(
        name="provider answers after our timeout",
        play=payments.provider_answers_too_late,
        size=Size(orders=20),
    ),
    Scenario(
        name="API killed before the answer",
        play=outages.api_killed_before_the_answer,
        size=Size(orders=60),
    ),
    Scenario(
        name="Temporal killed, restarted on its file",
        play=outages.temporal_killed,
        size=Size(orders=40, crashes=2),
    ),
    Scenario(
        name="PostgreSQL stopped in mode immediate",
        play=outages.postgres_stopped_immediately,
        size=Size(orders=40, crashes=2),
    ),
    Scenario(
        name="orders worker killed again and again",
        play=workers.orders_worker_killed_again_and_again,
        size=Size(orders=100, crashes=15),
    ),
    Scenario(
        name="half cancelled while workers die",
        play=workers.cancelled_while_workers_die,
        size=Size(orders=60, crashes=12),
    ),
    Scenario(
        name="approvals while workers die",
        play=approvals.approved_while_workers_die,
        size=Size(orders=60, crashes=12),
    ),
    Scenario(
        name="200 orders for 100 pieces",
        play=hammer.twice_as_many_orders_as_pieces,
        size=Size(orders=200),
    ),
    Scenario(
        name="same articles in opposite order",
        play=hammer.same_articles_in_opposite_order,
        size=Size(orders=120),
    ),
]
