"""Keep the entry value of a paper position."""

from django.db import migrations

import exchange.fields


class Migration(migrations.Migration):
    dependencies = [("exchange", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="paperposition",
            name="cost",
            field=exchange.fields.AmountField(
                default=0,
                help_text="Entry value of the open quantity, exact where avg_price is not.",
            ),
            preserve_default=False,
        ),
    ]
