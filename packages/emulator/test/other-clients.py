"""Walks a subscription through Stripe's Python client; prints what was seen as one JSON object."""
import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

stripe.api_base = sys.argv[1]
stripe.api_key = "sk_test_python"
stripe.enable_telemetry = False
seen = {}


class Hook(BaseHTTPRequestHandler):
    received = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.received.put((body, self.headers["Stripe-Signature"]))

    def log_message(self, *_):
        pass


def refusal(call, **params):
    try:
        call(**params)
    except stripe.error.StripeError as error:
        return {
            "class": type(error).__name__,
            "status": error.http_status,
            "code": error.code,
            "param": getattr(error, "param", None),
            "request": (error.request_id or "")[:4],
        }
    return None


server = HTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = stripe.WebhookEndpoint.create(
    url="http://127.0.0.1:%d/" % server.server_port, enabled_events=["customer.created"]
)

customer = stripe.Customer.create(email="ada@example.com", metadata={"user": "1"})
body, signature = Hook.received.get(timeout=10)
event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
seen["event"] = {"type": event.type, "customer": event.data.object.id == customer.id}
try:
    stripe.Webhook.construct_event(body + b" ", signature, endpoint.secret)
except stripe.error.SignatureVerificationError as error:
    seen["forged"] = type(error).__name__

product = stripe.Product.create(name="Premium")
price = stripe.Price.create(product=product.id, unit_amount=900, currency="usd", recurring={"interval": "month"})
method = stripe.PaymentMethod.create(type="card", card={"token": "tok_visa"})
stripe.PaymentMethod.attach(method.id, customer=customer.id)
stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method.id})
subscription = stripe.Subscription.create(
    customer=customer.id, items=[{"price": price.id, "quantity": 2}], expand=["latest_invoice"]
)
seen["subscription"] = {"status": subscription.status, "paid": subscription.latest_invoice.amount_paid}
ending = stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
seen["ending"] = ending.cancel_at_period_end
seen["listed"] = [row.id for row in stripe.Customer.list(limit=1).auto_paging_iter()] == [customer.id]

seen["card"] = refusal(
    stripe.PaymentIntent.create,
    amount=900,
    currency="usd",
    confirm=True,
    payment_method="pm_card_chargeDeclinedInsufficientFunds",
)
seen["missing"] = refusal(stripe.Customer.retrieve, id="cus_nobody")
seen["unknown"] = refusal(stripe.Customer.create, favourite_colour="blue")
seen["key"] = refusal(stripe.Customer.create, api_key="sk_live_123")

first = stripe.Customer.create(name="Bob", idempotency_key="k1")
again = stripe.Customer.create(name="Bob", idempotency_key="k1")
seen["idempotent"] = first.id == again.id
seen["reused"] = refusal(stripe.Customer.create, name="Eve", idempotency_key="k1")

old = stripe.Customer.create(stripe_version="2020-08-27")
seen["version"] = old.last_response.headers["stripe-version"]
seen["bad_version"] = refusal(stripe.Customer.create, stripe_version="yesterday")

print(json.dumps(seen))
